//! S3: guesses and requests stay within the rate limits, and no attack holds an owner on a known network. Only the
//! responses are judged, and a limit only where the outcome of a request is known.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::checker::{
    Action, FaultTarget, History, Operation, Outcome, RateLimits, RecordedResponse, Violation, evidence,
    expected_events::succeeded,
};

/// How long before a failure of MongoDB's primary a charge may be lost: its journal is written every 100 ms.
const UNJOURNALED: SignedDuration = SignedDuration::from_secs(1);
/// The window of the budget of a network, in seconds.
const WINDOW: f64 = 60.0;
/// The number of blocks in the budget of a network.
const BLOCKS_PER_QUOTA: u32 = 10;

pub(super) fn violations(history: &History) -> Vec<Violation> {
    let Some(limits) = &history.limits.rate_limits else { return Vec::new() };
    let losses = lost_charges(history);
    let mut found = Vec::new();
    for operations in accounts_that_only_log_in(history).values() {
        found.extend(too_many_guesses(limits, operations, &losses));
        found.extend(held_owner(limits, operations));
    }
    found.extend(exceeded_budgets(history, limits, &losses));
    found
}

/// A time in which charges may have been lost.
type Span = (Timestamp, Timestamp);

/// Returns the times whose charges a failure of MongoDB may have undone: they wait neither for the journal nor for a
/// majority.
fn lost_charges(history: &History) -> Vec<Span> {
    let faults = history.faults.iter().filter_map(|fault| match fault.target {
        FaultTarget::ReplicaSet => Some((fault.began - UNJOURNALED, fault.healed + UNJOURNALED)),
        _ if fault.name == "mongod killed" => Some((fault.began - UNJOURNALED, fault.began + UNJOURNALED)),
        _ => None,
    });
    // The first election precedes the run.
    let elections = history.elections.iter().skip(1);
    faults.chain(elections.map(|election| (election.at - UNJOURNALED, election.at + UNJOURNALED))).collect()
}

fn overlaps(span: &Span, began: Timestamp, ended: Timestamp) -> bool {
    began <= span.1 && span.0 <= ended
}

/// Returns the operations of the accounts that were only registered, logged in to and guessed at. Other requests may
/// clear failures.
fn accounts_that_only_log_in(history: &History) -> BTreeMap<Uuid, Vec<&Operation>> {
    let mut accounts: BTreeMap<Uuid, Vec<&Operation>> = BTreeMap::new();
    for operation in &history.operations {
        if let Some(user) = operation.user {
            accounts.entry(user).or_default().push(operation);
        }
    }
    let is_login =
        |operation: &&Operation| matches!(operation.action, Action::Register | Action::Login | Action::Guess);
    accounts.retain(|user, operations| !user.is_nil() && operations.iter().all(is_login));
    accounts
}

/// Returns the /24 of an address: the granularity of known networks.
fn known_network(address: Ipv4Addr) -> [u8; 3] {
    let [a, b, c, _] = address.octets();
    [a, b, c]
}

/// Reports guesses that were judged although the network or the account had used up its free failures.
fn too_many_guesses(limits: &RateLimits, operations: &[&Operation], losses: &[Span]) -> Vec<Violation> {
    let logins = operations.iter().filter(|operation| succeeded(operation));
    let known: BTreeSet<[u8; 3]> = logins.filter_map(|login| login.network.map(known_network)).collect();
    let is_lost = |guess: &Operation| losses.iter().any(|span| overlaps(span, guess.invoked, guess.completed));
    let judged = operations.iter().copied().filter(|operation| is_judged_guess(operation) && !is_lost(operation));
    let mut by_address: BTreeMap<Ipv4Addr, Vec<&Operation>> = BTreeMap::new();
    let mut unknown = Vec::new();
    for guess in judged {
        let Some(address) = guess.network else { continue };
        by_address.entry(address).or_default().push(guess);
        if !known.contains(&known_network(address)) {
            unknown.push(guess);
        }
    }
    let mut found = Vec::new();
    for (address, guesses) in by_address {
        if guesses.len() > limits.login_free_failures {
            let what = format!(
                "{} guesses from {address} were judged, but {} are allowed",
                guesses.len(),
                limits.login_free_failures
            );
            found.push(Violation::new(what, guesses.iter().map(|guess| evidence::operation(guess))));
        }
    }
    if unknown.len() > limits.account_free_failures {
        let what = format!(
            "{} guesses from unknown networks were judged, but {} are allowed",
            unknown.len(),
            limits.account_free_failures
        );
        found.push(Violation::new(what, unknown.iter().map(|guess| evidence::operation(guess))));
    }
    found
}

fn is_judged_guess(operation: &Operation) -> bool {
    operation.action == Action::Guess
        && response(operation).is_some_and(|response| response.problem.as_deref() == Some("invalid-credentials"))
}

fn response(operation: &Operation) -> Option<&RecordedResponse> {
    match &operation.outcome {
        Outcome::Answered(response) => Some(response),
        Outcome::Unknown { .. } => None,
    }
}

/// Reports logins with the right password that were held although the network is known. A login whose charge was not
/// refunded (its process was killed) counts as a failure of its own address.
fn held_owner(limits: &RateLimits, operations: &[&Operation]) -> Vec<Violation> {
    let logins: Vec<&Operation> =
        operations.iter().copied().filter(|operation| operation.action == Action::Login).collect();
    let held = logins.iter().filter(|login| response(login).is_some_and(|response| response.status == 429));
    held.filter_map(|held| {
        let address = held.network?;
        let earlier = || operations.iter().copied().filter(|operation| operation.invoked < held.completed);
        let made_known = logins.iter().find(|login| {
            succeeded(login)
                && login.completed < held.invoked
                && login.network.map(known_network) == Some(known_network(address))
        })?;
        let own = earlier().filter(|operation| operation.id != held.id && operation.network == Some(address)).count();
        let what = "a login of the owner on a known network was held";
        (own < limits.login_free_failures)
            .then(|| Violation::new(what, [evidence::operation(made_known), evidence::operation(held)]))
    })
    .collect()
}

/// Reports networks that sent more requests in some time than their budget allows for the replicas of that time.
fn exceeded_budgets(history: &History, limits: &RateLimits, losses: &[Span]) -> Vec<Violation> {
    let mut networks: BTreeMap<Ipv4Addr, Vec<&Operation>> = BTreeMap::new();
    for operation in history.operations.iter().filter(|operation| is_counted(operation)) {
        if let Some(address) = operation.network {
            networks.entry(address).or_default().push(operation);
        }
    }
    networks.values_mut().filter_map(|requests| exceeded_budget(history, limits, losses, requests)).collect()
}

/// Returns whether the budget of a network counts the request, and the request passed.
fn is_counted(operation: &Operation) -> bool {
    let is_limited = matches!(
        operation.action,
        Action::Login | Action::Guess | Action::RequestReset | Action::ResendVerification | Action::Invalid
    );
    is_limited && response(operation).is_some_and(|response| response.status != 429 && response.status < 500)
}

fn exceeded_budget(
    history: &History,
    limits: &RateLimits,
    losses: &[Span],
    requests: &mut [&Operation],
) -> Option<Violation> {
    requests.sort_by_key(|request| request.completed);
    for from in requests.iter().map(|request| request.invoked) {
        let within: Vec<&Operation> = requests.iter().copied().filter(|request| request.invoked >= from).collect();
        for (until, count) in within.iter().map(|request| request.completed).zip(1_u32..) {
            if losses.iter().any(|span| overlaps(span, from, until)) {
                break;
            }
            let bound = budget(history, limits, from, until);
            if f64::from(count) > bound {
                let what =
                    format!("{count} requests of a network passed from {from} to {until}, but {bound:.1} are allowed");
                return Some(Violation::new(what, within.iter().map(|request| evidence::operation(request))));
            }
        }
    }
    None
}

/// Returns the largest number of requests of one network that may pass in this time.
fn budget(history: &History, limits: &RateLimits, from: Timestamp, until: Timestamp) -> f64 {
    let restarted = history
        .faults
        .iter()
        .filter(|fault| fault.target == FaultTarget::Services && overlaps(&(fault.began, fault.healed), from, until));
    // A replica that kills itself at a fail point is started twice.
    let restarts = 2 * u32::try_from(restarted.count()).unwrap_or(u32::MAX);
    // When the topic of states is switched on, every replica is started again.
    let switched = if history.limits.states_later { limits.replicas } else { 0 };
    let uncounted = limits.requests_per_network / BLOCKS_PER_QUOTA - 1;
    let quota = limits.requests_per_network + (limits.replicas + restarts + switched) * uncounted;
    let windows = until.duration_since(from).as_secs_f64() / WINDOW;
    f64::from(quota) * (1.0 + windows)
}
