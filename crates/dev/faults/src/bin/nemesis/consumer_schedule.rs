//! The schedule of faults of the consumers of the topic of states: one lane for each consumer, and one for their
//! connections to MongoDB. The faults of the rest of the system do not depend on it.

use std::{ops::Range, time::Duration};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    consumers::INSTANCES,
    deployment::NetworkLink,
    lane::{LONG, Lane, SHORT},
    schedule::{ConsumerInstance, Fault, PlannedFault, network_fault},
};

/// Makes the random numbers differ from those of the other faults.
const SEED: u64 = 0x0c0a_5e3e;
/// How long a consumer is stopped so that its group goes on without it, in milliseconds: longer than its session
/// timeout of 10 s. It wakes up with partitions that it no longer has.
const BEYOND_SESSION: Range<u64> = 12_000..20_000;

/// A fault of one instance of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsumerFault {
    /// SIGKILL; the instance is started again at the end.
    Killed,
    /// SIGSTOP, and SIGCONT at the end.
    Stopped,
    /// SIGTERM; the instance is started again at the end.
    Terminated,
    /// All instances are ended, and started again in a new group, which reads the topic from its beginning.
    Replayed,
}

impl ConsumerFault {
    /// Returns the name under which the fault is counted.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Killed => "consumer killed",
            Self::Stopped => "consumer stopped",
            Self::Terminated => "consumer terminated",
            Self::Replayed => "topic of states replayed",
        }
    }
}

/// Returns the faults of this number of consumers in a run of this length, in order of time. All end within the run.
/// Without a proxy (`has_link` is false) the connections are not disturbed.
pub(crate) fn consumer_schedule(seed: u64, length: Duration, consumers: usize, has_link: bool) -> Vec<PlannedFault> {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ SEED);
    let length = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut planned = Vec::new();
    for consumer in 0..consumers {
        let faults = PROCESS_LANE.deal(&mut random, length);
        planned.extend(faults.into_iter().map(|planned| of_consumer(planned, consumer)));
    }
    if has_link && consumers > 0 {
        planned.extend(LINK_LANE.deal(&mut random, length));
    }
    planned.sort_by_key(|planned| planned.at);
    planned
}

const PROCESS_LANE: Lane = Lane {
    lead_ms: 2_000,
    gap_ms: 8_000..30_000,
    cards: &[
        |random| (process(ConsumerFault::Killed, random), SHORT),
        |random| (process(ConsumerFault::Killed, random), LONG),
        |random| (process(ConsumerFault::Stopped, random), LONG),
        |random| (process(ConsumerFault::Stopped, random), BEYOND_SESSION),
        |random| (process(ConsumerFault::Terminated, random), SHORT),
        |random| (process(ConsumerFault::Replayed, random), SHORT),
    ],
};

const LINK_LANE: Lane = Lane {
    lead_ms: 5_000,
    gap_ms: 8_000..20_000,
    cards: &[|random| (Fault::Network(NetworkLink::ConsumerMongo, network_fault(random)), LONG)],
};

/// Returns a fault of a random instance. [`of_consumer`] sets the consumer.
fn process(fault: ConsumerFault, random: &mut ChaCha8Rng) -> Fault {
    Fault::Consumer(fault, ConsumerInstance { consumer: 0, instance: random.random_range(0..INSTANCES) })
}

fn of_consumer(mut planned: PlannedFault, consumer: usize) -> PlannedFault {
    if let Fault::Consumer(_, target) = &mut planned.fault {
        target.consumer = consumer;
    }
    planned
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::schedule::schedule;

    const LENGTH: Duration = Duration::from_secs(600);

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_seed_another_one() {
        assert_eq!(consumer_schedule(7, LENGTH, 5, true), consumer_schedule(7, LENGTH, 5, true));
        assert_ne!(consumer_schedule(7, LENGTH, 5, true), consumer_schedule(8, LENGTH, 5, true));
    }

    #[test]
    fn in_ten_minutes_every_instance_of_every_consumer_has_faults_and_all_end_in_time() {
        let planned = consumer_schedule(1, LENGTH, 5, true);
        let targets: BTreeSet<_> = planned.iter().flat_map(|planned| planned.fault.targets()).collect();
        assert_eq!(targets.len(), 5 * INSTANCES + 1, "{targets:?}");
        let kinds: BTreeSet<&str> = planned.iter().map(|planned| planned.fault.kind()).collect();
        assert_eq!(kinds.len(), 5, "{kinds:?}");
        assert!(planned.iter().all(|planned| planned.at + planned.duration <= LENGTH));
        assert!(planned.is_sorted_by_key(|planned| planned.at));
    }

    #[test]
    fn the_other_faults_never_disturb_a_consumer() {
        let is_consumer = |planned: &PlannedFault| {
            matches!(planned.fault, Fault::Consumer(..) | Fault::Network(NetworkLink::ConsumerMongo, _))
        };
        assert!(!schedule(1, LENGTH).iter().any(is_consumer));
        assert!(consumer_schedule(1, LENGTH, 5, true).iter().all(is_consumer));
        assert_eq!(consumer_schedule(1, LENGTH, 0, true), []);
    }
}
