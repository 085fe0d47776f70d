//! The schedule of faults (which fault, when, for how long), derived from the seed alone.

use std::{collections::BTreeMap, fmt, time::Duration};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use test_support::{Behavior, Phase};

use crate::{
    cluster_schedule::ClusterFault,
    consumer_schedule::ConsumerFault,
    deployment::{NetworkLink, REPLICAS, ServiceKind},
};

/// The delay before the first fault, in milliseconds.
const LEAD_MS: u64 = 2_000;
/// The time between the starts of two faults, in milliseconds.
const GAP_MS: std::ops::Range<u64> = 200..2_600;
/// The duration of a fault, in milliseconds.
const DURATION_MS: std::ops::Range<u64> = 800..7_000;

/// The fail points at which a replica kills itself.
pub(crate) const USER_POINTS: [&str; 8] = [
    "register.after_insert",
    "login.before_commit",
    "reauthenticate.before_session",
    "relay.before_publish",
    "relay.after_ack",
    "relay.before_state",
    "relay.state_read",
    "relay.after_state",
];
pub(crate) const EMAIL_POINTS: [&str; 8] = [
    "ingest.after_claimed_write",
    "ingest.after_ledger_write",
    "sender.after_claim",
    "sender.before_compose",
    "sender.before_flip",
    "sender.after_flip",
    "sender.after_body",
    "sender.after_reply",
];
pub(crate) const SMTP_PHASES: [Phase; 7] =
    [Phase::Greeting, Phase::Ehlo, Phase::Mail, Phase::Rcpt, Phase::Data, Phase::Body, Phase::Dot];
/// 450 and 451 are missing, because greylisting delays a mail by five minutes. 550 at RCPT is missing, because it
/// would suppress addresses whose tokens the load needs.
const SMTP_REFUSALS: [&str; 3] = ["421 4.3.2 closing", "452 4.2.2 full", "554 5.7.1 not from you"];

/// The number of kinds of poison records.
pub(crate) const POISON_KINDS: usize = 7;

/// A fault with all its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL; the replica is started again at the end.
    Kill(ServiceKind, usize),
    /// SIGSTOP, and SIGCONT at the end.
    Stop(ServiceKind, usize),
    /// SIGTERM; the replica is started again at the end.
    Terminate(ServiceKind, usize),
    /// SIGTERM while MongoDB is unreachable; the replica is started again at the end.
    TerminateCutOff(ServiceKind, usize),
    /// The replica is restarted so that it kills itself when it has passed the fail point the given number of times.
    FailPoint(ServiceKind, usize, &'static str, u32),
    /// The given number of additional email-service replicas join and leave the consumer group.
    Rebalance(usize),
    MongodKilled,
    MongodStopped,
    BrokerKilled,
    BrokerStopped,
    Network(NetworkLink, NetworkFault),
    Smtp(Phase, Behavior),
    /// A record that cannot be processed, by its kind.
    Poison(usize),
    /// A fault of a run on clusters.
    Cluster(ClusterFault),
    /// A fault of one instance of a consumer of the topic of states.
    Consumer(ConsumerFault, ConsumerInstance),
}

/// One instance of a consumer of the topic of states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConsumerInstance {
    pub(crate) consumer: usize,
    pub(crate) instance: usize,
}

/// A fault on the connections of a network link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NetworkFault {
    Cut,
    HalfOpen,
    Refuse,
    BlackHole,
    LoseReplies,
    Hold,
    Slow(u64),
}

/// A fault with its start (relative to the start of the load) and its duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedFault {
    pub(crate) at: Duration,
    pub(crate) duration: Duration,
    pub(crate) fault: Fault,
}

/// The target of a fault. Each target has at most one fault at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FaultTarget {
    Replica(ServiceKind, usize),
    MoreReplicas,
    Mongod,
    Broker,
    Link(NetworkLink),
    SmtpServer,
    Consumer(ConsumerInstance),
}

impl Fault {
    /// Returns the name under which the fault is counted.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Kill(ServiceKind::User, _) => "user-service killed",
            Self::Kill(ServiceKind::Email, _) => "email-service killed",
            Self::Stop(ServiceKind::User, _) => "user-service stopped",
            Self::Stop(ServiceKind::Email, _) => "email-service stopped",
            Self::Terminate(ServiceKind::User, _) => "user-service terminated",
            Self::Terminate(ServiceKind::Email, _) => "email-service terminated",
            Self::TerminateCutOff(ServiceKind::User, _) => "user-service terminated without MongoDB",
            Self::TerminateCutOff(ServiceKind::Email, _) => "email-service terminated without MongoDB",
            Self::FailPoint(_, _, place, _) => place,
            Self::Rebalance(_) => "email-service replicas added",
            Self::MongodKilled => "mongod killed",
            Self::MongodStopped => "mongod stopped",
            Self::BrokerKilled => "broker killed",
            Self::BrokerStopped => "broker stopped",
            Self::Network(NetworkLink::Http(_), _) => "client connections disturbed",
            Self::Network(NetworkLink::UserMongo, _) => "user-service's MongoDB connections disturbed",
            Self::Network(NetworkLink::EmailMongo, _) => "email-service's MongoDB connections disturbed",
            Self::Network(NetworkLink::Kafka, _) => "Kafka connections disturbed",
            Self::Network(NetworkLink::Smtp, _) => "SMTP connections disturbed",
            Self::Network(NetworkLink::ConsumerMongo, _) => "consumers' MongoDB connections disturbed",
            Self::Smtp(..) => "SMTP server misbehaves",
            Self::Poison(_) => "poison",
            Self::Cluster(fault) => fault.name(),
            Self::Consumer(fault, _) => fault.name(),
        }
    }

    pub(crate) fn targets(&self) -> Vec<FaultTarget> {
        match self {
            Self::Kill(kind, n) | Self::Stop(kind, n) | Self::Terminate(kind, n) | Self::FailPoint(kind, n, ..) => {
                vec![FaultTarget::Replica(*kind, *n)]
            }
            Self::TerminateCutOff(kind, n) => vec![FaultTarget::Replica(*kind, *n), FaultTarget::Link(kind.mongodb())],
            Self::Rebalance(_) => vec![FaultTarget::MoreReplicas],
            Self::MongodKilled | Self::MongodStopped => vec![FaultTarget::Mongod],
            Self::BrokerKilled | Self::BrokerStopped => vec![FaultTarget::Broker],
            Self::Network(link, _) => vec![FaultTarget::Link(*link)],
            Self::Smtp(..) => vec![FaultTarget::SmtpServer],
            // The record must reach the broker.
            Self::Poison(_) => vec![FaultTarget::Broker, FaultTarget::Link(NetworkLink::Kafka)],
            Self::Cluster(fault) => fault.targets(),
            Self::Consumer(_, target) => vec![FaultTarget::Consumer(*target)],
        }
    }
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>7.1} s  for {:>4.1} s  {:?}", self.at.as_secs_f64(), self.duration.as_secs_f64(), self.fault)
    }
}

/// Returns the faults of a run of this length, in order of time. All end within the run.
pub(crate) fn schedule(seed: u64, length: Duration) -> Vec<PlannedFault> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let length = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut busy_until: BTreeMap<FaultTarget, u64> = BTreeMap::new();
    let mut planned = Vec::new();
    let mut at = LEAD_MS;
    loop {
        at += random.random_range(GAP_MS);
        let duration = random.random_range(DURATION_MS);
        let fault = fault(&mut random);
        if at >= length {
            return planned;
        }
        let targets = fault.targets();
        let busy = targets.iter().any(|target| busy_until.get(target).is_some_and(|until| at < *until));
        if busy || at + duration > length {
            continue;
        }
        // One second without faults makes the effects of this one visible.
        busy_until.extend(targets.into_iter().map(|target| (target, at + duration + 1_000)));
        planned.push(PlannedFault { at: Duration::from_millis(at), duration: Duration::from_millis(duration), fault });
    }
}

fn fault(random: &mut ChaCha8Rng) -> Fault {
    let kind = if random.random_bool(0.5) { ServiceKind::User } else { ServiceKind::Email };
    let replica = random.random_range(0..REPLICAS);
    match random.random_range(0..100_u32) {
        0..9 => Fault::Kill(kind, replica),
        9..17 => Fault::Stop(kind, replica),
        17..21 => Fault::Terminate(kind, replica),
        21..26 => Fault::TerminateCutOff(kind, replica),
        26..42 => {
            let points: &[&'static str] = if kind == ServiceKind::User { &USER_POINTS } else { &EMAIL_POINTS };
            let place = points.get(random.random_range(0..points.len())).copied().unwrap_or("relay.after_ack");
            Fault::FailPoint(kind, replica, place, random.random_range(0..8))
        }
        42..47 => Fault::Rebalance(random.random_range(1..3)),
        47..50 => Fault::MongodKilled,
        50..54 => Fault::MongodStopped,
        54..57 => Fault::BrokerKilled,
        57..61 => Fault::BrokerStopped,
        61..78 => Fault::Network(link(random), network_fault(random)),
        78..93 => {
            let phase = SMTP_PHASES.get(random.random_range(0..SMTP_PHASES.len())).copied().unwrap_or(Phase::Dot);
            Fault::Smtp(phase, smtp_action(random))
        }
        _ => Fault::Poison(random.random_range(0..POISON_KINDS)),
    }
}

fn link(random: &mut ChaCha8Rng) -> NetworkLink {
    match random.random_range(0..7_usize) {
        n @ 0..REPLICAS => NetworkLink::Http(n),
        3 => NetworkLink::UserMongo,
        4 => NetworkLink::EmailMongo,
        5 => NetworkLink::Kafka,
        _ => NetworkLink::Smtp,
    }
}

pub(crate) fn network_fault(random: &mut ChaCha8Rng) -> NetworkFault {
    match random.random_range(0..7_u32) {
        0 => NetworkFault::Cut,
        1 => NetworkFault::HalfOpen,
        2 => NetworkFault::Refuse,
        3 => NetworkFault::BlackHole,
        4 => NetworkFault::LoseReplies,
        5 => NetworkFault::Hold,
        _ => NetworkFault::Slow(random.random_range(20..300)),
    }
}

pub(crate) fn smtp_action(random: &mut ChaCha8Rng) -> Behavior {
    match random.random_range(0..4_u32) {
        0 => Behavior::Hang,
        1 => Behavior::Drop,
        2 => Behavior::Delay(Duration::from_millis(random.random_range(300..2_500))),
        _ => {
            Behavior::reply(SMTP_REFUSALS.get(random.random_range(0..SMTP_REFUSALS.len())).copied().unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(600);

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_seed_another_one() {
        assert_eq!(schedule(7, LENGTH), schedule(7, LENGTH));
        assert_ne!(schedule(7, LENGTH), schedule(8, LENGTH));
    }

    #[test]
    fn ten_minutes_contain_every_kind_of_fault_and_all_end_in_time() {
        let planned = schedule(1, LENGTH);
        let kinds: std::collections::BTreeSet<&str> = planned.iter().map(|planned| planned.fault.kind()).collect();
        assert_eq!(kinds.len(), 36, "{kinds:?}");
        assert!(planned.iter().all(|planned| planned.at + planned.duration <= LENGTH));
    }

    #[test]
    fn no_target_has_two_faults_at_once() {
        let planned = schedule(3, LENGTH);
        for (n, one) in planned.iter().enumerate() {
            for two in planned[n + 1..].iter().take_while(|two| two.at < one.at + one.duration) {
                let shared = one.fault.targets().into_iter().any(|target| two.fault.targets().contains(&target));
                assert!(!shared, "{one} and {two}");
            }
        }
    }
}
