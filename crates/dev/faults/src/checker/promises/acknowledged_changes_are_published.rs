//! I1: every change that was answered with success has its event in the topic.

use std::collections::BTreeMap;

use events::EventType;
use uuid::Uuid;

use crate::checker::{
    History, Operation, Outcome, Violation, evidence,
    expected_events::{Certainty, ExpectedEvent, expected_events, succeeded},
    topic_events::{TopicEvent, first_occurrences},
};

/// The default maximum number of pending events. When half of it is used, logins succeed without their event.
const MAX_PENDING: u64 = 100;

pub(super) fn violations(history: &History) -> Vec<Violation> {
    if history.limits.topic_replaced || history.limits.no_user_service {
        return Vec::new();
    }
    let events = Published::from_history(history);
    let mut found = Vec::new();
    // Successes that each need their own event, by account and event type.
    let mut successes: BTreeMap<(Option<Uuid>, EventType), Vec<&Operation>> = BTreeMap::new();
    for operation in history.operations.iter().filter(|operation| succeeded(operation)) {
        for expected in expected_events(operation.action) {
            match expected.certainty {
                Certainty::Possible => continue,
                Certainty::UnlessListIsLong if events.may_be_omitted(history, operation) => continue,
                _ => {}
            }
            if expected.certainty != Certainty::AtLeastOnce {
                successes.entry((operation.user, expected.event)).or_default().push(operation);
            }
            if !events.has(operation, expected) {
                found.push(missing(operation, expected, &events));
            }
        }
    }
    found.extend(successes.iter().filter_map(|(key, operations)| too_few(*key, operations, &events)));
    found
}

fn missing(operation: &Operation, expected: ExpectedEvent, events: &Published<'_>) -> Violation {
    let event = expected.event;
    let what = match version(operation) {
        Some(version) if expected.certainty != Certainty::AtLeastOnce => {
            format!("no {event} with sequence {version} is in the topic")
        }
        _ => format!("no {event} of this account is in the topic"),
    };
    let others = events.of_user(operation.user).into_iter().map(|topic_event| evidence::record(topic_event.record));
    Violation::new(what, std::iter::once(evidence::operation(operation)).chain(others))
}

/// Reports fewer events than successes, because each success needs its own event.
fn too_few(
    (user, event): (Option<Uuid>, EventType),
    operations: &[&Operation],
    events: &Published<'_>,
) -> Option<Violation> {
    let published: Vec<_> =
        events.of_user(user).into_iter().filter(|topic_event| topic_event.event.envelope.event_type == event).collect();
    // A complete absence of events was already reported for each operation.
    if published.is_empty() || published.len() >= operations.len() {
        return None;
    }
    let what = format!("{} successes, but only {} × {event} in the topic", operations.len(), published.len());
    let operations = operations.iter().map(|operation| evidence::operation(operation));
    Some(Violation::new(
        what,
        operations.chain(published.iter().map(|topic_event| evidence::record(topic_event.record))),
    ))
}

fn version(operation: &Operation) -> Option<u64> {
    match &operation.outcome {
        Outcome::Answered(response) => response.version,
        Outcome::Unknown { .. } => None,
    }
}

/// First occurrences of events, indexed by account.
struct Published<'a> {
    all: Vec<TopicEvent<'a>>,
    by_user: BTreeMap<Uuid, Vec<usize>>,
}

impl<'a> Published<'a> {
    fn from_history(history: &'a History) -> Self {
        let all = first_occurrences(history);
        let mut by_user: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
        for (place, topic_event) in all.iter().enumerate() {
            by_user.entry(topic_event.user()).or_default().push(place);
        }
        Self { all, by_user }
    }

    /// Returns the events of an account, or all events if the account is unknown.
    fn of_user(&self, user: Option<Uuid>) -> Vec<&TopicEvent<'a>> {
        match user {
            Some(user) => {
                self.by_user.get(&user).into_iter().flatten().filter_map(|place| self.all.get(*place)).collect()
            }
            None => self.all.iter().collect(),
        }
    }

    fn has(&self, operation: &Operation, expected: ExpectedEvent) -> bool {
        let wanted = version(operation).filter(|_| expected.certainty != Certainty::AtLeastOnce);
        self.of_user(operation.user).iter().any(|topic_event| {
            let envelope = &topic_event.event.envelope;
            envelope.event_type == expected.event && wanted.is_none_or(|version| version == envelope.sequence)
        })
    }

    /// Returns whether the pending list may have been so long that the login's event was omitted.
    fn may_be_omitted(&self, history: &History, login: &Operation) -> bool {
        let most = history.limits.max_pending.unwrap_or(MAX_PENDING);
        let before =
            |topic_event: &&&TopicEvent<'_>| version(login).is_none_or(|version| topic_event.sequence() < version);
        let earlier = self.of_user(login.user).iter().filter(before).count();
        u64::try_from(earlier).unwrap_or(u64::MAX) >= most / 2
    }
}
