//! Which fault is injected when and for how long: from the seed alone.

use std::{collections::BTreeMap, fmt, time::Duration};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use test_support::{Behavior, Phase};

use crate::cast::{Edge, Kin, REPLICAS};

/// The first fault comes this long after the load has begun.
const LEAD: u64 = 2_000;
/// Between the beginnings of two faults, in milliseconds.
const GAP: std::ops::Range<u64> = 200..2_600;
/// How long one lasts, in milliseconds.
const LASTS: std::ops::Range<u64> = 800..7_000;

/// Where a replica can be killed from within: the places that matter for load of all flows.
const USER_POINTS: [&str; 4] =
    ["register.after_insert", "login.before_commit", "relay.before_publish", "relay.after_ack"];
const EMAIL_POINTS: [&str; 6] = [
    "ingest.after_ledger_write",
    "sender.after_claim",
    "sender.before_flip",
    "sender.after_flip",
    "sender.after_body",
    "sender.after_reply",
];
const SMTP_PHASES: [Phase; 7] =
    [Phase::Greeting, Phase::Ehlo, Phase::Mail, Phase::Rcpt, Phase::Data, Phase::Body, Phase::Dot];
/// No 450 and 451: greylisting is waited out for five minutes. No 550 at RCPT: it would
/// suppress the addresses whose tokens the load waits for.
const SMTP_REFUSALS: [&str; 3] = ["421 4.3.2 closing", "452 4.2.2 full", "554 5.7.1 not from you"];

/// How many kinds of poison there are.
pub(crate) const POISONS: usize = 7;

/// A fault with everything that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL, and a new start at its end.
    Kill(Kin, usize),
    /// SIGSTOP and SIGCONT.
    Stop(Kin, usize),
    /// SIGTERM, and a new start at its end.
    Terminate(Kin, usize),
    /// SIGTERM while its MongoDB is away, and a new start at its end.
    TerminateCutOff(Kin, usize),
    /// Started anew so that it kills itself when it gets to a place for the n-th time.
    FailPoint(Kin, usize, &'static str, u32),
    /// So many more replicas of the email service come and go.
    Rebalance(usize),
    MongodKilled,
    MongodStopped,
    BrokerKilled,
    BrokerStopped,
    Edge(Edge, Harm),
    Smtp(Phase, Behavior),
    /// Records that cannot be processed.
    Poison(usize),
}

/// What happens to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    Cut,
    HalfOpen,
    Refuse,
    BlackHole,
    LoseReplies,
    Hold,
    Slow(u64),
}

/// A fault in its time, both from the beginning of the load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) at: Duration,
    pub(crate) lasts: Duration,
    pub(crate) fault: Fault,
}

/// What a fault is about: one is harmed by one fault at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Replica(Kin, usize),
    MoreReplicas,
    Mongod,
    Broker,
    Edge(Edge),
    SmtpServer,
}

impl Fault {
    /// The word that it is counted by.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Kill(Kin::User, _) => "user-service killed",
            Self::Kill(Kin::Email, _) => "email-service killed",
            Self::Stop(Kin::User, _) => "user-service stopped",
            Self::Stop(Kin::Email, _) => "email-service stopped",
            Self::Terminate(Kin::User, _) => "user-service terminated",
            Self::Terminate(Kin::Email, _) => "email-service terminated",
            Self::TerminateCutOff(Kin::User, _) => "user-service terminated without MongoDB",
            Self::TerminateCutOff(Kin::Email, _) => "email-service terminated without MongoDB",
            Self::FailPoint(_, _, place, _) => place,
            Self::Rebalance(_) => "email-service replicas added",
            Self::MongodKilled => "mongod killed",
            Self::MongodStopped => "mongod stopped",
            Self::BrokerKilled => "broker killed",
            Self::BrokerStopped => "broker stopped",
            Self::Edge(Edge::Http(_), _) => "client connections harmed",
            Self::Edge(Edge::UserMongo, _) => "user-service's MongoDB connections harmed",
            Self::Edge(Edge::EmailMongo, _) => "email-service's MongoDB connections harmed",
            Self::Edge(Edge::Kafka, _) => "Kafka connections harmed",
            Self::Edge(Edge::Smtp, _) => "SMTP connections harmed",
            Self::Smtp(..) => "SMTP server misbehaves",
            Self::Poison(_) => "poison",
        }
    }

    fn subjects(&self) -> Vec<Subject> {
        match self {
            Self::Kill(kin, n) | Self::Stop(kin, n) | Self::Terminate(kin, n) | Self::FailPoint(kin, n, ..) => {
                vec![Subject::Replica(*kin, *n)]
            }
            Self::TerminateCutOff(kin, n) => vec![Subject::Replica(*kin, *n), Subject::Edge(kin.mongodb())],
            Self::Rebalance(_) => vec![Subject::MoreReplicas],
            Self::MongodKilled | Self::MongodStopped => vec![Subject::Mongod],
            Self::BrokerKilled | Self::BrokerStopped => vec![Subject::Broker],
            Self::Edge(edge, _) => vec![Subject::Edge(*edge)],
            Self::Smtp(..) => vec![Subject::SmtpServer],
            // It has to get there.
            Self::Poison(_) => vec![Subject::Broker, Subject::Edge(Edge::Kafka)],
        }
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>7.1} s  for {:>4.1} s  {:?}", self.at.as_secs_f64(), self.lasts.as_secs_f64(), self.fault)
    }
}

/// The faults of a run of this length, in order. All are over when it is.
pub(crate) fn schedule(seed: u64, length: Duration) -> Vec<Planned> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let length = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut busy_until: BTreeMap<Subject, u64> = BTreeMap::new();
    let mut planned = Vec::new();
    let mut at = LEAD;
    loop {
        at += random.random_range(GAP);
        let lasts = random.random_range(LASTS);
        let fault = fault(&mut random);
        if at >= length {
            return planned;
        }
        let subjects = fault.subjects();
        let busy = subjects.iter().any(|subject| busy_until.get(subject).is_some_and(|until| at < *until));
        if busy || at + lasts > length {
            continue;
        }
        // A second of peace, so that what it did is seen.
        busy_until.extend(subjects.into_iter().map(|subject| (subject, at + lasts + 1_000)));
        planned.push(Planned { at: Duration::from_millis(at), lasts: Duration::from_millis(lasts), fault });
    }
}

fn fault(random: &mut ChaCha8Rng) -> Fault {
    let kin = if random.random_bool(0.5) { Kin::User } else { Kin::Email };
    let replica = random.random_range(0..REPLICAS);
    match random.random_range(0..100_u32) {
        0..9 => Fault::Kill(kin, replica),
        9..17 => Fault::Stop(kin, replica),
        17..21 => Fault::Terminate(kin, replica),
        21..26 => Fault::TerminateCutOff(kin, replica),
        26..42 => {
            let points: &[&'static str] = if kin == Kin::User { &USER_POINTS } else { &EMAIL_POINTS };
            let place = points.get(random.random_range(0..points.len())).copied().unwrap_or("relay.after_ack");
            Fault::FailPoint(kin, replica, place, random.random_range(0..8))
        }
        42..47 => Fault::Rebalance(random.random_range(1..3)),
        47..50 => Fault::MongodKilled,
        50..54 => Fault::MongodStopped,
        54..57 => Fault::BrokerKilled,
        57..61 => Fault::BrokerStopped,
        61..78 => Fault::Edge(edge(random), harm(random)),
        78..93 => {
            let phase = SMTP_PHASES.get(random.random_range(0..SMTP_PHASES.len())).copied().unwrap_or(Phase::Dot);
            Fault::Smtp(phase, act(random))
        }
        _ => Fault::Poison(random.random_range(0..POISONS)),
    }
}

fn edge(random: &mut ChaCha8Rng) -> Edge {
    match random.random_range(0..7_usize) {
        n @ 0..REPLICAS => Edge::Http(n),
        3 => Edge::UserMongo,
        4 => Edge::EmailMongo,
        5 => Edge::Kafka,
        _ => Edge::Smtp,
    }
}

fn harm(random: &mut ChaCha8Rng) -> Harm {
    match random.random_range(0..7_u32) {
        0 => Harm::Cut,
        1 => Harm::HalfOpen,
        2 => Harm::Refuse,
        3 => Harm::BlackHole,
        4 => Harm::LoseReplies,
        5 => Harm::Hold,
        _ => Harm::Slow(random.random_range(20..300)),
    }
}

fn act(random: &mut ChaCha8Rng) -> Behavior {
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
    fn a_seed_gives_the_same_schedule_again_and_another_one_another() {
        assert_eq!(schedule(7, LENGTH), schedule(7, LENGTH));
        assert_ne!(schedule(7, LENGTH), schedule(8, LENGTH));
    }

    #[test]
    fn ten_minutes_have_a_fault_of_every_kind_and_all_are_over_at_the_end() {
        let planned = schedule(1, LENGTH);
        let kinds: std::collections::BTreeSet<&str> = planned.iter().map(|planned| planned.fault.kind()).collect();
        assert_eq!(kinds.len(), 30, "{kinds:?}");
        assert!(planned.iter().all(|planned| planned.at + planned.lasts <= LENGTH));
    }

    #[test]
    fn nobody_is_harmed_by_two_faults_at_once() {
        let planned = schedule(3, LENGTH);
        for (n, one) in planned.iter().enumerate() {
            for two in planned[n + 1..].iter().take_while(|two| two.at < one.at + one.lasts) {
                let shared = one.fault.subjects().into_iter().any(|subject| two.fault.subjects().contains(&subject));
                assert!(!shared, "{one} and {two}");
            }
        }
    }
}
