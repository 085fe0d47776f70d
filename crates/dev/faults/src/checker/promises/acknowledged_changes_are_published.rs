//! I1: every change that was answered with success has its event in the topic.

use std::collections::BTreeMap;

use events::EventType;
use uuid::Uuid;

use crate::checker::{
    History, Operation, Outcome, Violation,
    effects::{Effect, Owed, effects, succeeded},
    reading::{Said, first_occurrences},
    show,
};

/// Logins succeed without their event from half of so many pending ones on.
const MAX_PENDING: u64 = 100;

pub(super) fn violations(history: &History) -> Vec<Violation> {
    if history.limits.topic_replaced || history.limits.no_user_service {
        return Vec::new();
    }
    let events = Published::of(history);
    let mut found = Vec::new();
    // What a success owes without naming a version: so many events of this type.
    let mut owed: BTreeMap<(Option<Uuid>, EventType), Vec<&Operation>> = BTreeMap::new();
    for operation in history.operations.iter().filter(|operation| succeeded(operation)) {
        for effect in effects(operation.action) {
            match effect.owed {
                Owed::Nothing => continue,
                Owed::UnlessCrowded if events.crowded(history, operation) => continue,
                _ => {}
            }
            if effect.owed != Owed::Once {
                owed.entry((operation.user, effect.event)).or_default().push(operation);
            }
            if !events.has(operation, effect) {
                found.push(missing(operation, effect, &events));
            }
        }
    }
    found.extend(owed.iter().filter_map(|(key, operations)| too_few(*key, operations, &events)));
    found
}

fn missing(operation: &Operation, effect: Effect, events: &Published<'_>) -> Violation {
    let event = effect.event;
    let what = match version(operation) {
        Some(version) if effect.owed != Owed::Once => format!("no {event} with sequence {version} is in the topic"),
        _ => format!("no {event} of this account is in the topic"),
    };
    let others = events.of_user(operation.user).into_iter().map(|said| show::record(said.record));
    Violation::new(what, std::iter::once(show::operation(operation)).chain(others))
}

/// Each success has an event of its own, so there are at least as many events.
fn too_few(
    (user, event): (Option<Uuid>, EventType),
    operations: &[&Operation],
    events: &Published<'_>,
) -> Option<Violation> {
    let there: Vec<_> =
        events.of_user(user).into_iter().filter(|said| said.event.envelope.event_type == event).collect();
    // That there is none at all was said with the operation.
    if there.is_empty() || there.len() >= operations.len() {
        return None;
    }
    let what = format!("{} successes, and only {} × {event} in the topic", operations.len(), there.len());
    let operations = operations.iter().map(|operation| show::operation(operation));
    Some(Violation::new(what, operations.chain(there.iter().map(|said| show::record(said.record)))))
}

fn version(operation: &Operation) -> Option<u64> {
    match &operation.outcome {
        Outcome::Answered(answer) => answer.version,
        Outcome::Unknown { .. } => None,
    }
}

/// First occurrences by account.
struct Published<'a> {
    all: Vec<Said<'a>>,
    by_user: BTreeMap<Uuid, Vec<usize>>,
}

impl<'a> Published<'a> {
    fn of(history: &'a History) -> Self {
        let all = first_occurrences(history);
        let mut by_user: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
        for (place, said) in all.iter().enumerate() {
            by_user.entry(said.user()).or_default().push(place);
        }
        Self { all, by_user }
    }

    /// Of an account; of all, where nobody knows which one it was.
    fn of_user(&self, user: Option<Uuid>) -> Vec<&Said<'a>> {
        match user {
            Some(user) => {
                self.by_user.get(&user).into_iter().flatten().filter_map(|place| self.all.get(*place)).collect()
            }
            None => self.all.iter().collect(),
        }
    }

    fn has(&self, operation: &Operation, effect: Effect) -> bool {
        let wanted = version(operation).filter(|_| effect.owed != Owed::Once);
        self.of_user(operation.user).iter().any(|said| {
            let envelope = &said.event.envelope;
            envelope.event_type == effect.event && wanted.is_none_or(|version| version == envelope.sequence)
        })
    }

    /// Whether so many events may have been pending before this login that its own was left out.
    fn crowded(&self, history: &History, login: &Operation) -> bool {
        let most = history.limits.max_pending.unwrap_or(MAX_PENDING);
        let before = |said: &&&Said<'_>| version(login).is_none_or(|version| said.sequence() < version);
        let earlier = self.of_user(login.user).iter().filter(before).count();
        u64::try_from(earlier).unwrap_or(u64::MAX) >= most / 2
    }
}
