//! Tests of the recovery times of runs on clusters. Times are milliseconds since the beginning of the run.

use faults::checker::{
    Action, Election, FaultTarget, Goal, History, InjectedFault, Operation, Outcome, ReadinessChange, RecordedResponse,
    RecoveryReport, measure_recovery,
};
use jiff::Timestamp;

const SERVER: &str = "127.0.0.1:3000";

#[derive(Default)]
struct Run(History);

impl Run {
    /// Returns a run with an election at its beginning, services that are ready, and a write before all faults.
    fn new() -> Self {
        Self::default().election(0).readiness(0, true).write(100, 110)
    }

    fn operation(mut self, action: Action, invoked: i64, completed: i64, outcome: Outcome) -> Self {
        self.0.operations.push(Operation {
            id: 0,
            client: 1,
            action,
            user: None,
            invoked: at(invoked),
            completed: at(completed),
            outcome,
            comparison_group: None,
            server: SERVER.into(),
            network: None,
        });
        self
    }

    fn write(self, invoked: i64, completed: i64) -> Self {
        self.operation(Action::UpdateProfile, invoked, completed, answered(200, None))
    }

    fn fault(mut self, number: u32, target: FaultTarget, began: i64, healed: i64) -> Self {
        let (began, healed) = (at(began), at(healed));
        self.0.faults.push(InjectedFault { number: Some(number), name: "x".into(), target, began, healed });
        self
    }

    /// The primary is away from 1,000 to 9,000.
    fn primary_killed(self) -> Self {
        self.fault(27, FaultTarget::ReplicaSet, 1_000, 9_000)
    }

    fn election(mut self, time: i64) -> Self {
        let (member, id) = ("member 1".into(), time.to_string());
        self.0.elections.push(Election { at: at(time), member, id, majority_at: Some(at(time)) });
        self
    }

    /// Sets the time at which the last elected primary has a majority.
    fn majority(mut self, time: i64) -> Self {
        self.0.elections.last_mut().expect("an election came before").majority_at = Some(at(time));
        self
    }

    fn readiness(mut self, time: i64, ready: bool) -> Self {
        self.0.readiness.push(ReadinessChange { at: at(time), ready });
        self
    }

    fn measure(&self) -> RecoveryReport {
        measure_recovery(&self.0)
    }
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_900_000_000_000 + milliseconds).expect("the time is valid")
}

fn answered(status: u16, retry_after: Option<u64>) -> Outcome {
    Outcome::Answered(RecordedResponse { status, retry_after, ..RecordedResponse::default() })
}

fn unanswered() -> Outcome {
    Outcome::Unknown { why: "the connection was closed".into() }
}

#[test]
fn the_times_of_a_recovery_that_reaches_every_goal_are_measured() {
    let run = Run::new()
        .primary_killed()
        .readiness(1_500, false)
        // It began before the fault.
        .write(900, 1_200)
        .operation(Action::Login, 2_000, 4_100, answered(503, Some(1)))
        .operation(Action::Read, 2_000, 2_010, answered(200, None))
        .election(5_000)
        .majority(5_040)
        .write(4_200, 5_300)
        .readiness(9_250, true);
    let report = run.measure();
    assert!(report.is_clean(), "{report}");
    let recovery = report.worst(27).unwrap();
    assert_eq!(recovery.first_write, Some(4_300));
    assert_eq!((recovery.elections, recovery.election_to_write), (1, Some(300)));
    assert_eq!(recovery.election_to_majority, Some(40));
    assert_eq!(recovery.heal_to_ready, Some(250));
    assert_eq!((recovery.slowest, report.slowest), (2_100, 2_100));
    assert_eq!((recovery.operations, recovery.refused, recovery.unanswered), (4, 1, 0));
}

#[test]
fn a_late_write_after_an_election_misses_its_goal() {
    let late = Run::new().primary_killed().election(5_000).write(4_900, 6_001);
    let report = late.measure();
    assert_eq!(report.missed(), [Goal::WritesAfterElection], "{report}");
    assert_eq!(report.worst(27).unwrap().election_to_write, Some(1_001));
}

#[test]
fn the_time_that_mongodb_needs_for_a_majority_is_not_counted() {
    let run = |written| Run::new().primary_killed().election(5_000).majority(6_100).write(4_900, written);
    assert!(run(7_100).measure().is_clean());
    assert_eq!(run(7_101).measure().missed(), [Goal::WritesAfterElection]);
    let mut without_a_majority = run(6_001);
    without_a_majority.0.elections[1].majority_at = None;
    assert_eq!(without_a_majority.measure().missed(), [Goal::WritesAfterElection]);
}

#[test]
fn a_majority_after_more_than_3_s_counts_except_after_a_fault_with_primary_catch_up() {
    let run = |number, majority: i64, written| {
        let fault = Run::new().fault(number, FaultTarget::ReplicaSet, 1_000, 9_000);
        fault.election(5_000).majority(majority).write(written - 1_000, written)
    };
    for number in [27, 30, 31] {
        assert!(run(number, 8_000, 9_000).measure().is_clean());
        assert_eq!(run(number, 8_500, 9_001).measure().missed(), [Goal::WritesAfterElection], "fault {number}");
    }
    for number in [28, 29] {
        assert!(run(number, 12_000, 13_000).measure().is_clean(), "fault {number}");
        assert_eq!(run(number, 12_000, 13_001).measure().missed(), [Goal::WritesAfterElection], "fault {number}");
    }
}

#[test]
fn a_later_majority_does_not_count_in_a_random_run_with_primary_catch_up() {
    let alone_then = |earlier| {
        let run = Run::new().fault(earlier, FaultTarget::ReplicaSet, 200, 300).primary_killed();
        let run = run.election(5_000).majority(12_000).write(11_900, 12_900);
        run.operation(Action::UpdateProfile, 6_900, 8_900, answered(503, Some(1)))
    };
    let at_random = |earlier| {
        let mut run = alone_then(earlier).fault(0, FaultTarget::Other, 400, 500);
        run.0.faults.last_mut().unwrap().number = None;
        run
    };
    assert!(at_random(28).measure().is_clean());
    assert_eq!(at_random(31).measure().missed(), [Goal::WritesAfterElection]);
    assert_eq!(alone_then(28).measure().missed(), [Goal::WritesAfterElection], "one fault after the other");
}

#[test]
fn without_a_service_to_write_to_an_election_is_not_judged() {
    let error = "error sending request: client error (Connect): tcp connect error: Connection refused";
    let no_connection = || Outcome::Unknown { why: error.into() };
    let run = |outcome| {
        Run::new()
            .primary_killed()
            .election(5_000)
            .operation(Action::UpdateProfile, 5_500, 5_501, outcome)
            .write(7_000, 7_100)
    };
    assert!(run(no_connection()).measure().is_clean());
    assert_eq!(run(answered(503, Some(1))).measure().missed(), [Goal::WritesAfterElection]);
}

#[test]
fn a_registration_and_a_refresh_show_that_writes_go_on() {
    for action in [Action::Register, Action::Refresh] {
        let run = Run::new().primary_killed().election(5_000).write(4_900, 6_500);
        let run =
            run.operation(action, 5_100, 5_300, answered(if action == Action::Register { 201 } else { 200 }, None));
        assert!(run.measure().is_clean(), "{action:?}");
    }
}

#[test]
fn a_refused_write_after_an_election_is_no_write() {
    let refused = Run::new()
        .primary_killed()
        .election(5_000)
        .operation(Action::Login, 5_100, 5_200, answered(503, Some(1)))
        .operation(Action::Read, 5_200, 5_300, answered(200, None))
        .operation(Action::UpdateProfile, 6_500, 8_500, answered(503, Some(1)));
    let report = refused.measure();
    assert_eq!(report.missed(), [Goal::WritesAfterElection], "{report}");
    assert_eq!(report.worst(27).unwrap().first_write, None);
}

#[test]
fn a_write_that_began_before_the_fault_does_not_count() {
    // The killed primary acknowledged it, or its answer was late.
    let early = Run::new().primary_killed().election(5_000).write(900, 5_100).write(5_050, 6_200);
    assert_eq!(early.measure().missed(), [Goal::WritesAfterElection]);
}

#[test]
fn an_election_is_not_judged_if_the_next_one_follows_or_nothing_was_written() {
    let superseded = Run::new().primary_killed().election(5_000).election(5_800).write(5_700, 6_300);
    let report = superseded.measure();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.worst(27).unwrap().election_to_write, Some(500));
    // The load had ended.
    assert!(Run::new().primary_killed().election(5_000).measure().is_clean());
}

#[test]
fn a_slow_request_misses_its_goal_even_if_it_has_no_answer() {
    for outcome in [answered(200, None), answered(503, Some(1)), unanswered()] {
        let report = Run::new().operation(Action::Read, 1_000, 6_001, outcome).measure();
        assert_eq!(report.missed(), [Goal::RequestTime], "{report}");
        assert_eq!(report.slowest, 5_001);
    }
    assert!(Run::new().operation(Action::Read, 1_000, 6_000, unanswered()).measure().is_clean());
}

#[test]
fn a_request_to_a_stopped_service_may_be_slow_and_one_to_another_service_may_not() {
    let stopped = |server: &str| {
        let target = FaultTarget::StoppedService(server.into());
        let mut run =
            Run::new().operation(Action::Read, 1_500, 7_000, answered(200, None)).fault(0, target, 1_000, 6_900);
        run.0.faults[0].number = None;
        run.measure()
    };
    assert!(stopped(SERVER).is_clean());
    assert_eq!(stopped("127.0.0.1:3001").missed(), [Goal::RequestTime]);
}

#[test]
fn a_refusal_other_than_503_with_retry_after_misses_its_goal() {
    for bad in [answered(500, None), answered(503, None), answered(500, Some(1)), answered(504, Some(1))] {
        let report = Run::new().operation(Action::Login, 1_000, 1_100, bad).measure();
        assert_eq!(report.missed(), [Goal::Refusals], "{report}");
    }
    for good in [answered(503, Some(1)), answered(409, None), answered(401, None), unanswered()] {
        assert!(Run::new().operation(Action::Login, 1_000, 1_100, good).measure().is_clean());
    }
}

#[test]
fn the_time_until_ready_is_not_measured_across_another_fault() {
    let run = |began| {
        Run::new()
            .primary_killed()
            .readiness(2_000, false)
            .fault(36, FaultTarget::Services, began, began + 500)
            .readiness(12_000, true)
            .measure()
    };
    assert_eq!(run(9_500).worst(27).unwrap().heal_to_ready, None);
    assert_eq!(run(12_500).worst(27).unwrap().heal_to_ready, Some(3_000));
    // Services that were ready all the time have nothing to recover from.
    let undisturbed = Run::new().primary_killed().measure();
    assert_eq!(undisturbed.worst(27).unwrap().heal_to_ready, Some(0));
}

#[test]
fn the_worst_of_several_injections_is_reported() {
    let run = Run::new()
        .fault(31, FaultTarget::ReplicaSet, 1_000, 2_000)
        .election(1_100)
        .write(1_050, 1_300)
        .fault(31, FaultTarget::ReplicaSet, 10_000, 11_000)
        .election(10_500)
        .write(10_600, 11_200);
    let worst = run.measure().worst(31).unwrap();
    assert_eq!((worst.first_write, worst.elections, worst.election_to_write), (Some(1_200), 2, Some(700)));
    assert_eq!(run.measure().worst(27), None);
}
