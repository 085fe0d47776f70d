//! Measures from the history how a run on clusters recovered from each of their faults, and compares it with the
//! goals. All durations are in milliseconds.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;

use crate::checker::{
    Action, Election, FaultTarget, History, InjectedFault, Operation, Outcome, RecordedResponse, Violation, evidence,
    expected_events::{Certainty, expected_events, succeeded},
};

/// The goal for the time from a new primary that has a majority to the first acknowledged write.
const MAX_ELECTION_TO_WRITE: i64 = 1_000;
/// The maximum of MongoDB's own time until a new primary has a majority. What exceeds it counts for the goal.
const MAX_MAJORITY: i64 = 3_000;
/// The faults after which a new primary first waits for the old one (primary catch-up).
const WITH_CATCH_UP: [u32; 2] = [28, 29];
/// The goal for the time of a request, measured at the client.
const MAX_REQUEST: i64 = 5_000;
/// What the client's error says if there was no connection.
const NO_CONNECTION: &str = "(Connect)";
/// The time after the healing in which requests still belong to the fault.
const AFTERMATH: i64 = 5_000;

/// A goal of a run on clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goal {
    /// Writes go on soon after a new primary was elected and has a majority that replicates from it.
    WritesAfterElection,
    /// No request takes too long. Requests to a service that is itself stopped are not counted.
    RequestTime,
    /// A refusal by a service is 503 with `Retry-After`.
    Refusals,
}

/// The recovery from one fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The number of the fault.
    pub number: u32,
    /// The name of the fault.
    pub name: String,
    /// The time from the fault to the first acknowledged write that began after it.
    pub first_write: Option<i64>,
    /// The number of elections after the fault.
    pub elections: usize,
    /// The longest time from a new primary to the first acknowledged write of a client of the services.
    pub election_to_write: Option<i64>,
    /// The longest time from a new primary until MongoDB acknowledged a write of the observer.
    pub election_to_majority: Option<i64>,
    /// The time from the healing until all services were ready; `None` if another fault came first.
    pub heal_to_ready: Option<i64>,
    /// The longest time of a request during the fault and shortly after it.
    pub slowest: i64,
    /// The number of requests during the fault and shortly after it.
    pub operations: usize,
    /// How many of them were refused with 503.
    pub refused: usize,
    /// How many of them got no answer.
    pub unanswered: usize,
}

/// The recoveries of a run, and the goals that it missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryReport {
    /// One recovery for each injection of a fault with a number.
    pub recoveries: Vec<Recovery>,
    /// The longest time of a request in the whole run.
    pub slowest: i64,
    missed: BTreeMap<Goal, Vec<Violation>>,
}

impl Goal {
    const ALL: [Self; 3] = [Self::WritesAfterElection, Self::RequestTime, Self::Refusals];

    /// Returns the goal in one sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::WritesAfterElection => "writes go on within 1 s of a new primary that has a majority",
            Self::RequestTime => "no request takes over 5 s",
            Self::Refusals => "a refusal is 503 with Retry-After",
        }
    }
}

/// Measures the recoveries of a run on clusters.
#[must_use]
pub fn measure_recovery(history: &History) -> RecoveryReport {
    let counted: Vec<&Operation> =
        history.operations.iter().filter(|operation| !was_sent_to_a_stopped_service(operation, history)).collect();
    let mut elections = Vec::new();
    let mut missed: BTreeMap<Goal, Vec<Violation>> = BTreeMap::new();
    // The first election precedes all faults.
    for (n, election) in history.elections.iter().enumerate().skip(1) {
        let took = time_to_write(history, election, history.elections.get(n + 1));
        let majority = time_to_majority(election).unwrap_or(0);
        if let Some(took) = took.filter(|took| *took > uncounted(history, election) + MAX_ELECTION_TO_WRITE) {
            let what = format!(
                "no write for {took} ms after {} became the primary at {}; MongoDB itself needed {majority} ms",
                election.member, election.at
            );
            missed.entry(Goal::WritesAfterElection).or_default().push(Violation::new(what, []));
        }
        elections.push((election, took));
    }
    for operation in &counted {
        let took = duration(operation);
        if took > MAX_REQUEST {
            let what = format!("a request took {took} ms");
            missed.entry(Goal::RequestTime).or_default().push(shown(what, operation));
        }
        if let Outcome::Answered(response) = &operation.outcome
            && is_bad_refusal(response)
        {
            let what = format!("a refusal with {} and without Retry-After", response.status);
            missed.entry(Goal::Refusals).or_default().push(shown(what, operation));
        }
    }
    let with_recovery = history.faults.iter().filter_map(|fault| Some((fault.number?, fault)));
    let recoveries = with_recovery.map(|(number, fault)| recovery(history, number, fault, &elections, &counted));
    RecoveryReport {
        recoveries: recoveries.collect(),
        slowest: counted.iter().map(|operation| duration(operation)).max().unwrap_or(0),
        missed,
    }
}

fn recovery(
    history: &History,
    number: u32,
    fault: &InjectedFault,
    elections: &[(&Election, Option<i64>)],
    counted: &[&Operation],
) -> Recovery {
    let began_after = |operation: &&Operation| operation.invoked >= fault.began && is_acknowledged_write(operation);
    let first = history.operations.iter().filter(began_after).map(|operation| operation.completed).min();
    let belongs = |election: &Election| last_replica_set_fault(history, election.at) == Some(fault);
    let own: Vec<&(&Election, Option<i64>)> = elections.iter().filter(|(election, _)| belongs(election)).collect();
    let heal_to_ready = heal_to_ready(history, fault);
    let end = fault.healed.as_millisecond() + heal_to_ready.unwrap_or(0) + AFTERMATH;
    let is_during =
        |operation: &&&Operation| operation.completed >= fault.began && operation.invoked.as_millisecond() <= end;
    let during: Vec<&&Operation> = counted.iter().filter(is_during).collect();
    let with_status = |status: u16| {
        let has_it = |operation: &&&&Operation| matches!(&operation.outcome, Outcome::Answered(response) if response.status == status);
        during.iter().filter(has_it).count()
    };
    Recovery {
        number,
        name: fault.name.clone(),
        first_write: first.map(|at| between(fault.began, at)),
        elections: own.len(),
        election_to_write: own.iter().filter_map(|(_, took)| *took).max(),
        election_to_majority: own.iter().filter_map(|(election, _)| time_to_majority(election)).max(),
        heal_to_ready,
        slowest: during.iter().map(|operation| duration(operation)).max().unwrap_or(0),
        operations: during.len(),
        refused: with_status(503),
        unanswered: during.iter().filter(|it| matches!(it.outcome, Outcome::Unknown { .. })).count(),
    }
}

/// Returns the time from an election to the first acknowledged write. Returns `None` if it cannot be measured: the
/// next election or the next fault of the replica set came first, or no write reached a service in the second that
/// the goal allows (random faults may have ended all replicas, and the load is thin).
fn time_to_write(history: &History, election: &Election, next: Option<&Election>) -> Option<i64> {
    let fault = last_replica_set_fault(history, election.at);
    let began = fault.map_or(Timestamp::MIN, |fault| fault.began);
    let acknowledged = |operation: &&Operation| {
        operation.invoked >= began && operation.completed >= election.at && is_acknowledged_write(operation)
    };
    let first = history.operations.iter().filter(acknowledged).map(|operation| operation.completed).min();
    let start = election.at.as_millisecond() + uncounted(history, election);
    let limit = start + MAX_ELECTION_TO_WRITE;
    if let Some(first) = first.filter(|first| first.as_millisecond() <= limit) {
        return Some(between(election.at, first));
    }
    let next_fault = history.faults.iter().filter(|fault| fault.target == FaultTarget::ReplicaSet);
    let next_fault = next_fault.map(|fault| fault.began).filter(|began| *began > election.at).min();
    let interruption = next.map(|next| next.at).into_iter().chain(next_fault).min();
    let is_superseded = interruption.is_some_and(|at| at.as_millisecond() <= limit);
    let tried = |operation: &Operation| {
        is_write(operation)
            && has_reached_a_service(&operation.outcome)
            && operation.completed.as_millisecond() >= start
            && operation.invoked.as_millisecond() <= limit
    };
    if is_superseded || !history.operations.iter().any(tried) {
        return None;
    }
    let end = || history.operations.iter().map(|operation| operation.completed).max();
    first.or_else(end).map(|at| between(election.at, at))
}

/// Returns the time from an election until MongoDB acknowledged a write of the observer on a majority. Secondaries
/// that look for a member to replicate from try again after a second, and no client can write before.
fn time_to_majority(election: &Election) -> Option<i64> {
    election.majority_at.map(|at| between(election.at, at))
}

/// Returns the time after an election that is MongoDB's own and not part of the goal: until the new primary has a
/// majority, but at most [`MAX_MAJORITY`]. There is no maximum after a fault with primary catch-up, and in a random
/// run that contains one.
fn uncounted(history: &History, election: &Election) -> i64 {
    let majority = time_to_majority(election).unwrap_or(0);
    let has_catch_up = |fault: &InjectedFault| fault.number.is_some_and(|number| WITH_CATCH_UP.contains(&number));
    // Only random runs contain faults without a number.
    let is_random = history.faults.iter().any(|fault| fault.number.is_none());
    let may_catch_up = last_replica_set_fault(history, election.at).is_some_and(has_catch_up)
        || (is_random && history.faults.iter().any(has_catch_up));
    if may_catch_up { majority } else { majority.min(MAX_MAJORITY) }
}

/// Returns the last fault of the replica set that began before this time.
fn last_replica_set_fault(history: &History, at: Timestamp) -> Option<&InjectedFault> {
    let earlier = |fault: &&InjectedFault| fault.target == FaultTarget::ReplicaSet && fault.began <= at;
    history.faults.iter().filter(earlier).max_by_key(|fault| fault.began)
}

fn heal_to_ready(history: &History, fault: &InjectedFault) -> Option<i64> {
    let at_healing = history.readiness.iter().rfind(|change| change.at <= fault.healed);
    if at_healing.is_some_and(|change| change.ready) {
        return Some(0);
    }
    let ready = history.readiness.iter().find(|change| change.at > fault.healed && change.ready)?;
    let overlaps = |other: &InjectedFault| {
        other != fault && other.began <= ready.at && other.healed >= fault.healed && other.target != FaultTarget::Other
    };
    (!history.faults.iter().any(overlaps)).then(|| between(fault.healed, ready.at))
}

fn was_sent_to_a_stopped_service(operation: &Operation, history: &History) -> bool {
    history.faults.iter().any(|fault| {
        matches!(&fault.target, FaultTarget::StoppedService(server) if *server == operation.server)
            && operation.invoked <= fault.healed
            && operation.completed >= fault.began
    })
}

/// Returns whether the operation writes, unless the same request was carried out before.
fn is_write(operation: &Operation) -> bool {
    expected_events(operation.action).iter().any(|expected| expected.certainty != Certainty::Possible)
}

/// Returns whether MongoDB has acknowledged a write of this operation. A refresh writes its session, and no event.
fn is_acknowledged_write(operation: &Operation) -> bool {
    (is_write(operation) || operation.action == Action::Refresh) && succeeded(operation)
}

/// Returns whether the request arrived at a service, as far as the client knows.
fn has_reached_a_service(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Unknown { why } if why.contains(NO_CONNECTION))
}

fn is_bad_refusal(response: &RecordedResponse) -> bool {
    response.status >= 500 && !(response.status == 503 && response.retry_after.is_some())
}

fn shown(what: String, operation: &Operation) -> Violation {
    Violation::new(what, [format!("{} by {}", evidence::operation(operation), operation.server)])
}

fn duration(operation: &Operation) -> i64 {
    between(operation.invoked, operation.completed)
}

fn between(from: Timestamp, to: Timestamp) -> i64 {
    to.as_millisecond() - from.as_millisecond()
}

impl RecoveryReport {
    /// Returns whether every goal was reached.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.missed.is_empty()
    }

    /// Returns the goals that were missed.
    #[must_use]
    pub fn missed(&self) -> Vec<Goal> {
        self.missed.keys().copied().collect()
    }

    /// Returns how many times a goal was missed.
    #[must_use]
    pub fn count(&self, goal: Goal) -> usize {
        self.missed.get(&goal).map_or(0, Vec::len)
    }

    /// Returns the worst values of all injections of a fault, or `None` if it was not injected.
    #[must_use]
    pub fn worst(&self, number: u32) -> Option<Recovery> {
        self.recoveries
            .iter()
            .filter(|recovery| recovery.number == number)
            .cloned()
            .reduce(|one, other| worse(one, &other))
    }

    /// Returns the worst values of all faults.
    #[must_use]
    pub fn worst_of_all(&self) -> Option<Recovery> {
        self.recoveries.iter().cloned().reduce(|one, other| worse(one, &other))
    }
}

fn worse(one: Recovery, other: &Recovery) -> Recovery {
    Recovery {
        number: one.number,
        name: one.name,
        first_write: one.first_write.max(other.first_write),
        elections: one.elections + other.elections,
        election_to_write: one.election_to_write.max(other.election_to_write),
        election_to_majority: one.election_to_majority.max(other.election_to_majority),
        heal_to_ready: one.heal_to_ready.max(other.heal_to_ready),
        slowest: one.slowest.max(other.slowest),
        operations: one.operations + other.operations,
        refused: one.refused + other.refused,
        unanswered: one.unanswered + other.unanswered,
    }
}

impl Recovery {
    /// Returns all figures in one line.
    #[must_use]
    pub fn figures(&self) -> String {
        format!(
            "fault to write {}, election to write {} (MongoDB itself {}; {} elections), heal to ready {}, slowest request {}, \
             {} operations, {} refused, {} without answer",
            seconds(self.first_write),
            seconds(self.election_to_write),
            seconds(self.election_to_majority),
            self.elections,
            seconds(self.heal_to_ready),
            seconds(Some(self.slowest)),
            self.operations,
            self.refused,
            self.unanswered,
        )
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:<34} {}", self.number, self.name, self.figures())
    }
}

impl fmt::Display for RecoveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for recovery in &self.recoveries {
            writeln!(f, "{recovery}")?;
        }
        for goal in Goal::ALL {
            let Some(missed) = self.missed.get(&goal) else {
                writeln!(f, "goal reached: {}", goal.sentence())?;
                continue;
            };
            writeln!(f, "goal MISSED {} ×: {}", missed.len(), goal.sentence())?;
            for violation in missed.iter().take(5) {
                writeln!(f, "      {}", violation.what)?;
                for line in &violation.evidence {
                    writeln!(f, "        {line}")?;
                }
            }
        }
        Ok(())
    }
}

/// Formats milliseconds as seconds; a dash stands for a time that was not measured.
#[must_use]
pub fn seconds(milliseconds: Option<i64>) -> String {
    let Some(milliseconds) = milliseconds else { return "–".to_owned() };
    format!("{}.{:02} s", milliseconds / 1_000, milliseconds % 1_000 / 10)
}
