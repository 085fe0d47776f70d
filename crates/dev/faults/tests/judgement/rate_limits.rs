//! Histories whose responses break the rate limits (S3), and ones that a correct service leaves under faults.

use std::net::Ipv4Addr;

use faults::checker::{
    Action, FaultTarget, History, InjectedFault, Operation, Outcome, Promise, RateLimits, RecordedResponse, check,
};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::{
    history_builder::{HistoryBuilder, MailOutcome},
    violations::assert_breaks_only,
};

const OWNER: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 1);
const ATTACKER: Ipv4Addr = Ipv4Addr::new(12, 0, 0, 1);
/// The budget of a network for two replicas: the quota, and nine uncounted requests of each.
const BUDGET: usize = 100 + 2 * 9;

/// A history with one account, whose owner has logged in from their network.
struct Attack {
    history: History,
    user: Uuid,
    /// The pause before the next request.
    pause: SignedDuration,
}

impl Attack {
    fn new() -> Self {
        let mut builder = HistoryBuilder::new();
        let user = builder.register(MailOutcome::Sent);
        builder.login(user);
        let mut history = builder.build();
        history.limits.rate_limits = Some(RateLimits {
            login_free_failures: 5,
            account_free_failures: 20,
            requests_per_network: 100,
            replicas: 2,
        });
        for operation in &mut history.operations {
            operation.network = Some(OWNER);
        }
        Self { history, user, pause: SignedDuration::from_millis(1) }
    }

    fn send(&mut self, action: Action, network: Ipv4Addr, status: u16, problem: &str) {
        let last = self.history.operations.last().expect("the owner has logged in");
        let (id, invoked) = (last.id + 1, last.completed + self.pause);
        self.pause = SignedDuration::from_millis(1);
        let response = RecordedResponse {
            status,
            problem: Some(problem.to_owned()),
            retry_after: (status == 429).then_some(600),
            ..RecordedResponse::default()
        };
        self.history.operations.push(Operation {
            id,
            client: 2,
            action,
            user: Some(self.user),
            invoked,
            completed: invoked + SignedDuration::from_millis(1),
            outcome: Outcome::Answered(response),
            comparison_group: None,
            server: String::new(),
            network: Some(network),
        });
    }

    fn guess(&mut self, network: Ipv4Addr) {
        self.send(Action::Guess, network, 401, "invalid-credentials");
    }

    fn log_in_and_be_held(&mut self, network: Ipv4Addr) {
        self.send(Action::Login, network, 429, "rate-limited");
    }

    fn flood(&mut self, count: usize) {
        for _ in 0..count {
            self.send(Action::Invalid, ATTACKER, 400, "token-invalid");
        }
        // The requests name no account.
        self.history
            .operations
            .iter_mut()
            .filter(|operation| operation.action == Action::Invalid)
            .for_each(|operation| operation.user = None);
    }

    /// Adds a fault that lasts from the first to the last operation.
    fn add_fault(&mut self, name: &str, target: FaultTarget) {
        let (first, last) = (&self.history.operations[0], self.history.operations.last().expect("not empty"));
        let (began, healed) = (first.invoked, last.completed);
        self.history.faults.push(InjectedFault { number: None, name: name.to_owned(), target, began, healed });
    }

    #[track_caller]
    fn assert_kept(&self) {
        check(&self.history).assert();
    }

    #[track_caller]
    fn assert_broken(&self, expected_text: &str) {
        assert_breaks_only(Promise::S3, expected_text, &self.history);
    }
}

fn network(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(12, n, 0, 1)
}

#[test]
fn more_judged_guesses_from_a_network_than_its_free_failures_break_s3() {
    let mut attack = Attack::new();
    (0..5).for_each(|_| attack.guess(ATTACKER));
    attack.send(Action::Guess, ATTACKER, 429, "rate-limited");
    attack.assert_kept();
    attack.guess(ATTACKER);
    attack.assert_broken("6 guesses from 12.0.0.1 were judged, but 5 are allowed");
}

#[test]
fn more_judged_guesses_from_unknown_networks_than_the_account_allows_break_s3() {
    let mut attack = Attack::new();
    (0..20).for_each(|n| attack.guess(network(n)));
    // Guesses on the owner's network are counted by themselves.
    attack.guess(OWNER);
    attack.assert_kept();
    attack.guess(network(20));
    attack.assert_broken("21 guesses from unknown networks were judged, but 20 are allowed");
}

#[test]
fn charges_that_a_killed_mongod_may_have_lost_do_not_count() {
    let mut attack = Attack::new();
    (0..21).for_each(|n| attack.guess(network(n)));
    attack.add_fault("user-service killed", FaultTarget::Services);
    attack.assert_broken("21 guesses from unknown networks");
    attack.add_fault("mongod killed", FaultTarget::Other);
    attack.assert_kept();
}

#[test]
fn an_owner_who_is_held_on_a_known_network_breaks_s3() {
    let mut attack = Attack::new();
    (0..20).for_each(|n| attack.guess(network(n)));
    attack.log_in_and_be_held(network(30));
    attack.assert_kept();
    attack.log_in_and_be_held(Ipv4Addr::new(11, 0, 0, 2));
    attack.assert_broken("a login of the owner on a known network was held");
}

#[test]
fn an_owner_may_be_held_after_failures_on_the_own_address() {
    let mut attack = Attack::new();
    let address = Ipv4Addr::new(11, 0, 0, 2);
    (0..5).for_each(|_| attack.send(Action::Login, address, 503, "unavailable"));
    for operation in &mut attack.history.operations {
        if let Outcome::Answered(response) = &mut operation.outcome {
            response.retry_after = response.retry_after.or(Some(1));
        }
    }
    attack.log_in_and_be_held(address);
    attack.assert_kept();
}

#[test]
fn a_network_that_sends_more_than_its_budget_breaks_s3() {
    let mut attack = Attack::new();
    attack.flood(BUDGET);
    attack.assert_kept();
    attack.flood(2);
    attack.assert_broken("requests of a network passed");
    // A replica that is started again does not know how many requests it has let pass.
    attack.add_fault("user-service killed", FaultTarget::Services);
    attack.assert_kept();
    attack.flood(40);
    attack.assert_broken("requests of a network passed");
}

#[test]
fn the_budget_of_a_network_refills_evenly() {
    let mut attack = Attack::new();
    attack.flood(BUDGET);
    attack.pause = SignedDuration::from_secs(30);
    attack.flood(BUDGET / 2 - 1);
    attack.assert_kept();
    attack.flood(4);
    attack.assert_broken("requests of a network passed");
}
