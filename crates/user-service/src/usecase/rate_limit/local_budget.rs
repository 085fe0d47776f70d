//! The part of a network's budget that a replica holds: its decisions, without I/O.
//!
//! A replica lets the first `block - 1` requests of a network pass without a charge. The next one charges them, itself,
//! and `block - 1` requests in advance to the shared row. From then on every request is covered by a charge, before it
//! passes. After a window without a request the replica forgets the network. So in any time `t`, `R` replicas let at
//! most `(quota + R * (block - 1)) * (1 + t / window)` requests pass, where one exact counter lets
//! `quota * (1 + t / window)` pass:
//! - The charges of the shared row in this time are at most `quota * (1 + t / window)`.
//! - A replica lets more requests pass than are charged in this time only if they were charged before it, or are not
//!   charged yet. Both are at most `block - 1`, and only one of them is possible until the replica forgets the network,
//!   for which the network must be idle for a window.
//!
//! A replica that restarts counts as another one, and so does a network that was evicted for lack of room.

use std::time::{Duration, Instant};

use crate::store::ThrottleRule;

/// The smallest quota that is counted in blocks. Smaller ones are counted exactly.
const MIN_QUOTA: u32 = 100;
const BLOCKS_PER_QUOTA: u32 = 10;

/// The budget of each network: a quota that is counted in blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    quota: u32,
    window: Duration,
    block: u32,
}

impl Budget {
    /// Returns the budget of a rule, or `None` if its charges are counted exactly.
    pub(super) fn new(rule: ThrottleRule) -> Option<Self> {
        match rule {
            ThrottleRule::Rate { quota, window } if quota >= MIN_QUOTA => {
                Some(Self { quota, window, block: quota / BLOCKS_PER_QUOTA })
            }
            ThrottleRule::Rate { .. } | ThrottleRule::Backoff(_) => None,
        }
    }

    /// Returns the time until the shared row grants another request at this level.
    pub(super) fn wait(&self, level: f64) -> Duration {
        (self.window / self.quota).mul_f64((level + 1.0 - f64::from(self.quota)).max(0.0))
    }

    fn decayed(&self, level: f64, elapsed: Duration) -> f64 {
        (level - elapsed.as_secs_f64() / self.window.as_secs_f64() * f64::from(self.quota)).max(0.0)
    }
}

/// What to do with a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Decision {
    Judged(Verdict),
    /// The shared row decides.
    Ask(Ask),
}

/// Whether a request passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// `level` is the estimated number of requests that have not decayed.
    Accepted { level: f64 },
    /// The shared row refuses requests for this time.
    Refused { wait: Duration },
}

/// A charge of the shared row, for the current request and for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    /// The number of requests to charge; at least 1.
    pub(super) wanted: u32,
    /// Whether the charge also covers other requests. At most one such charge of a network is in progress.
    is_block: bool,
}

/// The answer of the shared row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    pub(super) granted: u32,
    pub(super) level: f64,
    /// The time until the row grants another request.
    pub(super) wait: Duration,
}

/// What a replica knows about the budget of one network.
#[derive(Debug)]
pub(super) struct LocalBudget {
    /// The requests that passed and are not charged yet; at most `block - 1`.
    owed: u32,
    /// The requests that are charged and have not come yet; at most `block - 1`.
    credit: u32,
    /// Whether the shared row was asked. From then on no request passes without a charge.
    asked: bool,
    /// Whether a charge that covers other requests is in progress.
    asking: bool,
    /// Whether the last such charge has no known outcome. Until the row answers, each request is charged alone, so that
    /// an outage does not use up the budget.
    lost: bool,
    refused_until: Option<Instant>,
    /// The estimated number of requests that had not decayed at `at`, the time of the last change.
    level: f64,
    at: Instant,
}

impl LocalBudget {
    /// Creates the state of a network without requests.
    pub(super) const fn new(now: Instant) -> Self {
        Self { owed: 0, credit: 0, asked: false, asking: false, lost: false, refused_until: None, level: 0.0, at: now }
    }

    /// Decides on a request.
    pub(super) fn decide(&mut self, budget: Budget, now: Instant) -> Decision {
        if self.is_idle(budget, now) {
            *self = Self::new(now);
        }
        self.advance(budget, now);
        if self.credit > 0 {
            self.credit -= 1;
        } else if let Some(wait) = self.refused_until.and_then(|until| until.checked_duration_since(now))
            && wait > Duration::ZERO
        {
            return Decision::Judged(Verdict::Refused { wait });
        } else if !self.asked && self.owed + 1 < budget.block {
            self.owed += 1;
        } else {
            return Decision::Ask(self.ask(budget));
        }
        self.level += 1.0;
        Decision::Judged(Verdict::Accepted { level: self.level })
    }

    fn ask(&mut self, budget: Budget) -> Ask {
        self.asked = true;
        if self.asking || self.lost {
            return Ask { wanted: 1, is_block: false };
        }
        self.asking = true;
        // Near the end of the budget a replica takes less in advance, so that it keeps little from the others.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a u32")]
        let half = ((f64::from(budget.quota) - self.level) / 2.0).max(0.0) as u32;
        Ask { wanted: 1 + self.owed + half.min(budget.block - 1), is_block: true }
    }

    /// Records the answer to a charge, and returns whether the request passes.
    pub(super) fn settle(&mut self, budget: Budget, now: Instant, ask: Ask, answer: Answer) -> Verdict {
        self.advance(budget, now);
        self.asking &= !ask.is_block;
        self.lost = false;
        let covers_others = answer.granted.saturating_sub(1);
        let charged_later = self.owed.min(covers_others);
        self.owed -= charged_later;
        self.credit = (self.credit + covers_others - charged_later).min(budget.block - 1);
        self.level = (answer.level + f64::from(self.owed) - f64::from(self.credit)).max(0.0);
        if answer.granted == 0 {
            self.refused_until = Some(now + answer.wait);
            return Verdict::Refused { wait: answer.wait };
        }
        self.refused_until = None;
        Verdict::Accepted { level: self.level }
    }

    /// Records that the outcome of a charge is unknown. What it granted is lost.
    pub(super) fn lose(&mut self, ask: Ask) {
        if ask.is_block {
            self.asking = false;
            self.lost = true;
        }
    }

    /// Takes back one request, and returns whether there was room for it. If not, the shared row must take it back.
    pub(super) fn refund(&mut self, budget: Budget) -> bool {
        if self.owed > 0 {
            self.owed -= 1;
        } else if self.asked {
            if self.credit + 1 >= budget.block {
                return false;
            }
            self.credit += 1;
        }
        // Otherwise the request has already been forgotten.
        self.level = (self.level - 1.0).max(0.0);
        true
    }

    /// Returns whether the network has sent nothing for a window, so that its state means the same as none.
    pub(super) fn is_idle(&self, budget: Budget, now: Instant) -> bool {
        !self.asking && now.saturating_duration_since(self.at) >= budget.window
    }

    fn advance(&mut self, budget: Budget, now: Instant) {
        self.level = budget.decayed(self.level, now.saturating_duration_since(self.at));
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::Backoff;

    const QUOTA: u32 = 120;
    const WINDOW: Duration = Duration::from_secs(60);
    const BLOCK: u32 = 12;

    fn budget() -> Budget {
        Budget::new(ThrottleRule::Rate { quota: QUOTA, window: WINDOW }).unwrap()
    }

    /// The shared row, as the update of the store computes it.
    struct SharedRow {
        level: f64,
        at: Instant,
    }

    impl SharedRow {
        fn charge_up_to(&mut self, now: Instant, wanted: u32) -> Answer {
            let level = budget().decayed(self.level, now - self.at);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most the quota")]
            let granted = wanted.min((f64::from(QUOTA) - level).floor().max(0.0) as u32);
            *self = Self { level: level + f64::from(granted), at: now };
            Answer { granted, level: self.level, wait: budget().wait(self.level) }
        }
    }

    /// Replicas with one shared row. A charge in progress is a step of its own, so other requests come between.
    struct Replicas {
        row: SharedRow,
        locals: Vec<LocalBudget>,
        /// The charges whose answers have not arrived.
        in_flight: Vec<(usize, Ask, Answer)>,
        now: Instant,
        start: Instant,
        /// When requests passed: the time of the charge for those that the row decided on.
        passed: Vec<Duration>,
        commands: usize,
    }

    impl Replicas {
        fn new(count: usize) -> Self {
            let now = Instant::now();
            Self {
                row: SharedRow { level: 0.0, at: now },
                locals: (0..count).map(|_| LocalBudget::new(now)).collect(),
                in_flight: Vec::new(),
                now,
                start: now,
                passed: Vec::new(),
                commands: 0,
            }
        }

        fn send(&mut self, replica: usize) -> Option<Verdict> {
            match self.locals[replica].decide(budget(), self.now) {
                Decision::Judged(verdict) => {
                    if let Verdict::Accepted { .. } = verdict {
                        self.passed.push(self.now - self.start);
                    }
                    Some(verdict)
                }
                Decision::Ask(ask) => {
                    self.commands += 1;
                    let answer = self.row.charge_up_to(self.now, ask.wanted);
                    if answer.granted > 0 {
                        self.passed.push(self.now - self.start);
                    }
                    self.in_flight.push((replica, ask, answer));
                    None
                }
            }
        }

        fn answer(&mut self, index: usize) -> Option<Verdict> {
            (!self.in_flight.is_empty()).then(|| {
                let (replica, ask, answer) = self.in_flight.remove(index % self.in_flight.len());
                self.locals[replica].settle(budget(), self.now, ask, answer)
            })
        }

        /// Loses an answer: the client has disconnected, or the deadline has passed.
        fn lose_answer(&mut self, index: usize) {
            if !self.in_flight.is_empty() {
                let (replica, ask, _) = self.in_flight.remove(index % self.in_flight.len());
                self.locals[replica].lose(ask);
            }
        }

        fn send_and_wait(&mut self, replica: usize) -> Verdict {
            self.send(replica).unwrap_or_else(|| self.answer(self.in_flight.len() - 1).unwrap())
        }

        /// Returns how many of `count` requests at once pass.
        fn burst(&mut self, replica: usize, count: usize) -> usize {
            (0..count).filter(|_| matches!(self.send_and_wait(replica), Verdict::Accepted { .. })).count()
        }

        /// Asserts the bound of the module's comment for every pair of requests.
        fn assert_bound(&self) {
            let replicas = u32::try_from(self.locals.len()).unwrap();
            let excess = f64::from(QUOTA + replicas * (BLOCK - 1));
            for (first, from) in self.passed.iter().enumerate() {
                for (until, count) in self.passed[first..].iter().zip(1_u32..) {
                    let windows = (*until - *from).as_secs_f64() / WINDOW.as_secs_f64();
                    let bound = excess * (1.0 + windows) + 1e-6;
                    assert!(
                        f64::from(count) <= bound,
                        "{count} requests from {from:?} to {until:?}: {:?}",
                        self.passed
                    );
                }
            }
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Send { replica: usize, count: usize },
        Answer(usize),
        LoseAnswer(usize),
        Wait(Duration),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0_usize..4, 1_usize..30).prop_map(|(replica, count)| Step::Send { replica, count }),
            6 => any::<usize>().prop_map(Step::Answer),
            1 => any::<usize>().prop_map(Step::LoseAnswer),
            2 => (0_u64..3_000).prop_map(|millis| Step::Wait(Duration::from_millis(millis))),
            1 => (30_u64..70).prop_map(|seconds| Step::Wait(Duration::from_secs(seconds))),
        ];
        prop::collection::vec(step, 1..120)
    }

    proptest! {
        #[test]
        fn replicas_exceed_the_quota_by_at_most_a_block_each(count in 1_usize..=4, steps in steps()) {
            let mut replicas = Replicas::new(count);
            for step in steps {
                match step {
                    Step::Send { replica, count: requests } => {
                        for _ in 0..requests {
                            let _ = replicas.send(replica % count);
                        }
                    }
                    Step::Answer(index) => {
                        let _ = replicas.answer(index);
                    }
                    Step::LoseAnswer(index) => replicas.lose_answer(index),
                    Step::Wait(time) => replicas.now += time,
                }
            }
            replicas.assert_bound();
        }
    }

    #[test]
    fn one_replica_lets_exactly_the_quota_pass_with_few_commands() {
        let mut replicas = Replicas::new(1);
        assert_eq!(replicas.burst(0, 1000), 120);
        assert_eq!(replicas.commands, 12);
        assert_eq!(replicas.row.level, 120.0);
    }

    #[test]
    fn a_network_that_sends_less_than_a_block_costs_no_command() {
        let mut replicas = Replicas::new(1);
        for _ in 0..5 {
            assert_eq!(replicas.burst(0, 11), 11);
            replicas.now += WINDOW;
        }
        assert_eq!(replicas.commands, 0);
        assert_eq!(replicas.burst(0, 12), 12);
        // The requests of this window, and a block in advance.
        assert_eq!((replicas.commands, replicas.row.level), (1, 23.0));
    }

    #[test]
    fn several_replicas_reach_the_bound_but_never_exceed_it() {
        let mut replicas = Replicas::new(3);
        assert_eq!(replicas.burst(0, 200), 120);
        assert_eq!(replicas.burst(1, 200), 11);
        assert_eq!(replicas.burst(2, 200), 11);
        // Requests in advance that a replica has kept for almost a window.
        let mut replicas = Replicas::new(2);
        assert_eq!(replicas.burst(0, 12) + replicas.burst(1, 12), 24);
        replicas.now += WINDOW - Duration::from_millis(1);
        assert_eq!(replicas.burst(0, 200) + replicas.burst(1, 200), 11 + 120 + 11);
        replicas.assert_bound();
    }

    #[test]
    fn a_replica_refuses_by_itself_until_the_wait_of_the_shared_row_ends() {
        let mut replicas = Replicas::new(1);
        replicas.burst(0, 121);
        let commands = replicas.commands;
        let Verdict::Refused { wait } = replicas.send_and_wait(0) else { panic!("the quota is used up") };
        assert_eq!((wait, replicas.commands), (Duration::from_millis(500), commands));
        replicas.now += wait;
        assert_eq!(replicas.burst(0, 2), 1);
    }

    #[test]
    fn the_level_counts_the_requests_and_not_what_is_charged_in_advance() {
        let mut replicas = Replicas::new(1);
        for requests in 1..=120 {
            assert_eq!(replicas.send_and_wait(0), Verdict::Accepted { level: f64::from(requests) });
        }
        replicas.now += Duration::from_secs(5);
        assert_eq!(replicas.send_and_wait(0), Verdict::Accepted { level: 111.0 });
    }

    #[test]
    fn lost_answers_cost_one_block_and_then_one_request_each() {
        let mut replicas = Replicas::new(1);
        replicas.burst(0, 11);
        for _ in 0..10 {
            assert_eq!(replicas.send(0), None);
            replicas.lose_answer(0);
        }
        assert_eq!(replicas.row.level, 23.0 + 9.0);
    }

    #[test]
    fn refunded_requests_can_be_sent_again() {
        for sent in [5, 11, 12, 50, 120] {
            let mut replicas = Replicas::new(1);
            assert_eq!(replicas.burst(0, sent), sent);
            for _ in 0..5 {
                if !replicas.locals[0].refund(budget()) {
                    replicas.row.level -= 1.0;
                }
            }
            assert_eq!(replicas.burst(0, 200), 125 - sent);
        }
    }

    #[test]
    fn small_quotas_and_failures_are_counted_exactly() {
        let rate = |quota| Budget::new(ThrottleRule::Rate { quota, window: WINDOW });
        assert!(rate(99).is_none() && rate(100).is_some());
        let backoff = ThrottleRule::Backoff(Backoff { free: 1000, first: WINDOW, longest: WINDOW });
        assert!(Budget::new(backoff).is_none());
    }
}
