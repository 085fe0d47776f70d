//! The schedule of faults on clusters. Independent lanes disturb the replica set, the brokers, the services, the mail
//! server and the topic; each lane has one fault at a time.

use std::{ops::Range, time::Duration};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    deployment::{CLUSTER_REPLICAS, ServiceKind},
    lane::{LONG, Lane, SHORT},
    schedule::{EMAIL_POINTS, Fault, FaultTarget, POISON_KINDS, PlannedFault, SMTP_PHASES, USER_POINTS, smtp_action},
};

/// The number of members of the replica set, and of brokers.
const MEMBERS: usize = 3;
/// The number of partitions of the topic.
const PARTITIONS: i32 = 12;
/// How far the clock of a replica is off, in seconds.
const CLOCK_OFFSET: i64 = 600;
/// The load without faults before and after the faults that are injected alone, in milliseconds.
const ALONE_LEAD_MS: u64 = 5_000;
const ALONE_SETTLE_MS: u64 = 6_000;

/// A fault of a run on clusters, with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ClusterFault {
    /// SIGKILL; the member is started again at the end.
    PrimaryKilled,
    /// SIGSTOP, and SIGCONT at the end, but not before another member was elected.
    PrimaryStopped,
    /// The primary reaches the services, but no other member.
    PrimaryIsolated,
    /// SIGSTOP of two members: of both secondaries, or of the primary and a secondary.
    NoMajority { with_primary: bool },
    /// The primary steps down every 5 s.
    StepDowns,
    /// SIGKILL of the leader of this partition; it is started again at the end.
    LeaderKilled(i32),
    /// SIGSTOP of this broker, and SIGCONT at the end.
    BrokerStopped(usize),
    /// SIGKILL of one and SIGSTOP of another broker: only this one is left.
    TwoBrokersAway { left: usize },
    /// The controllers do not reach each other; the brokers do, and serve clients.
    ControllersCutOff,
    /// SIGTERM of one service process after the other, each when the one before is ready again.
    RollingRestart,
    /// One replica runs with a clock that is off by this number of seconds.
    ClockOff(ServiceKind, usize, i64),
}

impl ClusterFault {
    /// All numbers of faults, as in `docs/GUARANTEES.md`.
    pub(crate) const NUMBERS: std::ops::RangeInclusive<u32> = 27..=37;

    /// Returns the number of the fault in `docs/GUARANTEES.md`.
    pub(crate) fn number(&self) -> u32 {
        match self {
            Self::PrimaryKilled => 27,
            Self::PrimaryStopped => 28,
            Self::PrimaryIsolated => 29,
            Self::NoMajority { .. } => 30,
            Self::StepDowns => 31,
            Self::LeaderKilled(_) => 32,
            Self::BrokerStopped(_) => 33,
            Self::TwoBrokersAway { .. } => 34,
            Self::ControllersCutOff => 35,
            Self::RollingRestart => 36,
            Self::ClockOff(..) => 37,
        }
    }

    /// Returns the name under which the fault is counted.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::PrimaryKilled => "primary killed",
            Self::PrimaryStopped => "primary stopped",
            Self::PrimaryIsolated => "primary isolated from its peers",
            Self::NoMajority { .. } => "no majority for 20 s",
            Self::StepDowns => "step-down every 5 s",
            Self::LeaderKilled(_) => "leader broker killed",
            Self::BrokerStopped(_) => "broker stopped",
            Self::TwoBrokersAway { .. } => "two of three brokers away",
            Self::ControllersCutOff => "controller quorum lost",
            Self::RollingRestart => "rolling restart of the services",
            Self::ClockOff(..) => "clock of a replica off by 10 min",
        }
    }

    pub(crate) fn targets(&self) -> Vec<FaultTarget> {
        match self {
            Self::PrimaryKilled
            | Self::PrimaryStopped
            | Self::PrimaryIsolated
            | Self::NoMajority { .. }
            | Self::StepDowns => vec![FaultTarget::Mongod],
            Self::LeaderKilled(_) | Self::BrokerStopped(_) | Self::TwoBrokersAway { .. } | Self::ControllersCutOff => {
                vec![FaultTarget::Broker]
            }
            Self::RollingRestart => {
                let replicas = |kind| (0..CLUSTER_REPLICAS).map(move |n| FaultTarget::Replica(kind, n));
                replicas(ServiceKind::User).chain(replicas(ServiceKind::Email)).collect()
            }
            Self::ClockOff(kind, n, _) => vec![FaultTarget::Replica(*kind, *n)],
        }
    }

    /// Returns the possible durations, in milliseconds. An election takes 10 to 12 s.
    fn durations(&self) -> Range<u64> {
        match self {
            Self::PrimaryKilled | Self::PrimaryStopped => 13_000..18_000,
            Self::PrimaryIsolated => 15_000..20_000,
            Self::NoMajority { .. } => 20_000..20_001,
            Self::StepDowns => 15_000..20_001,
            Self::LeaderKilled(_) => 4_000..9_000,
            Self::BrokerStopped(_) | Self::TwoBrokersAway { .. } | Self::ControllersCutOff => 8_000..15_000,
            // It takes as long as the processes need.
            Self::RollingRestart => 0..1,
            Self::ClockOff(..) => 5_000..9_000,
        }
    }

    /// Returns how long the healing takes beyond the duration, in milliseconds.
    pub(crate) fn healing_ms(&self) -> u64 {
        match self {
            Self::LeaderKilled(_) | Self::TwoBrokersAway { .. } => 8_000,
            Self::RollingRestart => 6_000,
            _ => 2_000,
        }
    }
}

/// Returns all faults at random, in order of time. All end within the run.
pub(crate) fn cluster_schedule(seed: u64, length: Duration) -> Vec<PlannedFault> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let length = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut planned = Vec::new();
    for lane in &LANES {
        planned.extend(lane.deal(&mut random, length));
    }
    planned.sort_by_key(|planned| planned.at);
    planned
}

/// Returns the injections of one fault alone, and the length of the load around them. The broker of fault 32 is killed
/// three times in turn; fault 37 sets the clock of each service ahead and back.
pub(crate) fn one_fault(number: u32) -> (Vec<PlannedFault>, Duration) {
    let user = |offset| ClusterFault::ClockOff(ServiceKind::User, 0, offset);
    let email = |offset| ClusterFault::ClockOff(ServiceKind::Email, 0, offset);
    let faults = match number {
        27 => vec![ClusterFault::PrimaryKilled],
        28 => vec![ClusterFault::PrimaryStopped],
        29 => vec![ClusterFault::PrimaryIsolated],
        30 => vec![ClusterFault::NoMajority { with_primary: false }, ClusterFault::NoMajority { with_primary: true }],
        31 => vec![ClusterFault::StepDowns],
        32 => vec![ClusterFault::LeaderKilled(0), ClusterFault::LeaderKilled(1), ClusterFault::LeaderKilled(2)],
        33 => vec![ClusterFault::BrokerStopped(0)],
        34 => vec![ClusterFault::TwoBrokersAway { left: 0 }],
        35 => vec![ClusterFault::ControllersCutOff],
        36 => vec![ClusterFault::RollingRestart],
        37 => vec![user(CLOCK_OFFSET), user(-CLOCK_OFFSET), email(CLOCK_OFFSET), email(-CLOCK_OFFSET)],
        _ => Vec::new(),
    };
    let mut at = ALONE_LEAD_MS;
    let mut planned = Vec::new();
    for fault in faults {
        let duration = fault.durations().start;
        let next = at + duration + fault.healing_ms() + ALONE_SETTLE_MS;
        let (start, duration) = (Duration::from_millis(at), Duration::from_millis(duration));
        planned.push(PlannedFault { at: start, duration, fault: Fault::Cluster(fault) });
        at = next;
    }
    (planned, Duration::from_millis(at))
}

const LANES: [Lane; 5] = [
    Lane {
        lead_ms: 4_000,
        gap_ms: 6_000..10_000,
        cards: &[
            |_| cluster(ClusterFault::PrimaryKilled),
            |_| cluster(ClusterFault::PrimaryStopped),
            |_| cluster(ClusterFault::PrimaryIsolated),
            |random| cluster(ClusterFault::NoMajority { with_primary: random.random_bool(0.5) }),
            |_| cluster(ClusterFault::StepDowns),
        ],
    },
    Lane {
        lead_ms: 7_000,
        gap_ms: 4_000..8_000,
        cards: &[
            |random| cluster(ClusterFault::LeaderKilled(random.random_range(0..PARTITIONS))),
            |random| cluster(ClusterFault::LeaderKilled(random.random_range(0..PARTITIONS))),
            |random| cluster(ClusterFault::BrokerStopped(random.random_range(0..MEMBERS))),
            |random| cluster(ClusterFault::TwoBrokersAway { left: random.random_range(0..MEMBERS) }),
            |_| cluster(ClusterFault::ControllersCutOff),
        ],
    },
    Lane {
        lead_ms: 2_000,
        gap_ms: 1_500..4_000,
        cards: &[
            |random| (Fault::Kill(ServiceKind::User, replica(random)), SHORT),
            |random| (Fault::Kill(ServiceKind::Email, replica(random)), SHORT),
            |random| (Fault::Stop(ServiceKind::User, replica(random)), SHORT),
            |random| (Fault::Stop(ServiceKind::Email, replica(random)), LONG),
            |random| (Fault::Terminate(ServiceKind::User, replica(random)), SHORT),
            |random| (Fault::Terminate(ServiceKind::Email, replica(random)), SHORT),
            |random| fail_point(random, ServiceKind::User, &USER_POINTS),
            |random| fail_point(random, ServiceKind::User, &USER_POINTS),
            |random| fail_point(random, ServiceKind::Email, &EMAIL_POINTS),
            |random| fail_point(random, ServiceKind::Email, &EMAIL_POINTS),
            |_| (Fault::Rebalance(1), LONG),
            |_| cluster(ClusterFault::RollingRestart),
            |random| clock_off(random, CLOCK_OFFSET),
            |random| clock_off(random, -CLOCK_OFFSET),
        ],
    },
    Lane {
        lead_ms: 3_000,
        gap_ms: 2_000..8_000,
        cards: &[|random| {
            let phase = SMTP_PHASES[random.random_range(0..SMTP_PHASES.len())];
            (Fault::Smtp(phase, smtp_action(random)), LONG)
        }],
    },
    Lane {
        lead_ms: 1_000,
        gap_ms: 5_000..15_000,
        cards: &[|random| (Fault::Poison(random.random_range(0..POISON_KINDS)), SHORT)],
    },
];

fn cluster(fault: ClusterFault) -> (Fault, Range<u64>) {
    let durations = fault.durations();
    (Fault::Cluster(fault), durations)
}

fn replica(random: &mut ChaCha8Rng) -> usize {
    random.random_range(0..CLUSTER_REPLICAS)
}

fn fail_point(random: &mut ChaCha8Rng, kind: ServiceKind, points: &[&'static str]) -> (Fault, Range<u64>) {
    let place = points[random.random_range(0..points.len())];
    (Fault::FailPoint(kind, replica(random), place, random.random_range(0..8)), LONG)
}

fn clock_off(random: &mut ChaCha8Rng, seconds: i64) -> (Fault, Range<u64>) {
    let kind = if random.random_bool(0.5) { ServiceKind::User } else { ServiceKind::Email };
    cluster(ClusterFault::ClockOff(kind, replica(random), seconds))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const LENGTH: Duration = Duration::from_secs(600);

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_seed_another_one() {
        assert_eq!(cluster_schedule(7, LENGTH), cluster_schedule(7, LENGTH));
        assert_ne!(cluster_schedule(7, LENGTH), cluster_schedule(8, LENGTH));
    }

    #[test]
    fn ten_minutes_contain_every_fault_of_a_cluster_and_all_end_in_time() {
        for seed in 0..50 {
            let planned = cluster_schedule(seed, LENGTH);
            let number = |planned: &PlannedFault| match &planned.fault {
                Fault::Cluster(fault) => Some(fault.number()),
                _ => None,
            };
            let numbers: BTreeSet<u32> = planned.iter().filter_map(number).collect();
            assert_eq!(numbers, ClusterFault::NUMBERS.collect(), "seed {seed}");
            let offsets = planned.iter().filter_map(|planned| match planned.fault {
                Fault::Cluster(ClusterFault::ClockOff(_, _, seconds)) => Some(seconds),
                _ => None,
            });
            assert_eq!(offsets.collect::<BTreeSet<_>>(), BTreeSet::from([-CLOCK_OFFSET, CLOCK_OFFSET]), "seed {seed}");
            assert!(planned.iter().all(|planned| planned.at + planned.duration <= LENGTH));
            assert!(planned.is_sorted_by_key(|planned| planned.at));
        }
    }

    #[test]
    fn ten_minutes_contain_every_fault_of_the_services() {
        let planned = cluster_schedule(1, LENGTH);
        let kinds: BTreeSet<&str> = planned.iter().map(|planned| planned.fault.kind()).collect();
        for kind in ["user-service killed", "email-service stopped", "email-service replicas added", "poison"] {
            assert!(kinds.contains(kind), "{kind}: {kinds:?}");
        }
    }

    #[test]
    fn the_replica_set_the_brokers_and_the_services_have_one_fault_at_a_time() {
        let is_broker_fault = |fault: &Fault| !matches!(fault, Fault::Poison(_));
        for seed in 0..20 {
            let planned = cluster_schedule(seed, LENGTH);
            for (n, one) in planned.iter().enumerate().filter(|(_, one)| is_broker_fault(&one.fault)) {
                let later = planned[n + 1..].iter().take_while(|two| two.at < one.at + one.duration);
                for two in later.filter(|two| is_broker_fault(&two.fault)) {
                    let shared = one.fault.targets().into_iter().any(|target| two.fault.targets().contains(&target));
                    assert!(!shared, "{one} and {two}");
                }
            }
        }
    }

    #[test]
    fn each_fault_can_be_injected_alone() {
        for number in ClusterFault::NUMBERS {
            let (planned, length) = one_fault(number);
            assert!(!planned.is_empty(), "{number}");
            for planned in planned {
                let Fault::Cluster(fault) = &planned.fault else { panic!("{planned}") };
                assert_eq!(fault.number(), number);
                assert!(planned.at + planned.duration < length);
            }
        }
        assert_eq!(one_fault(0).0, []);
    }
}
