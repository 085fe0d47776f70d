//! I2: no event is published, and no mail sent, for a change that was not made.

use std::collections::{BTreeMap, BTreeSet};

use events::{Decoded, EventType};
use uuid::Uuid;

use crate::checker::{
    History, Operation, Violation, evidence,
    expected_events::{expected_events, may_have_happened, occurs_once_per_account, occurs_without_request},
    expected_mails::{mail_id, templates_for},
    topic_events::{TopicEvent, all_events, decode, first_occurrences, is_from_user_service},
};

pub(super) fn violations(history: &History) -> Vec<Violation> {
    let events = first_occurrences(history);
    let mut found: Vec<Violation> = undecodable_records(history).collect();
    found.extend(events_without_account(history, &events));
    found.extend(events_beyond_the_version(history, &events));
    found.extend(events_without_cause(history, &events));
    found.extend(mails_without_event(history));
    found
}

/// Reports records of the service that are not events of the contract.
fn undecodable_records(history: &History) -> impl Iterator<Item = Violation> + '_ {
    let own_records = history.records.iter().filter(|record| is_from_user_service(history, record));
    own_records
        .filter(|record| !matches!(decode(record), Ok(Decoded::Event(_))))
        .map(|record| Violation::new("a record that is not an event of the contract", [evidence::record(record)]))
}

/// Reports events of accounts that neither exist nor were deleted.
fn events_without_account<'a>(
    history: &History,
    events: &'a [TopicEvent<'a>],
) -> impl Iterator<Item = Violation> + use<'a> {
    let stored = history.users.iter().map(|user| user.id);
    let deleted = events.iter().filter(|topic_event| topic_event.event.envelope.event_type == EventType::UserDeleted);
    let known: BTreeSet<Uuid> = stored.chain(deleted.map(TopicEvent::user)).collect();
    let replaced = history.limits.topic_replaced;
    events.iter().filter(move |topic_event| !replaced && !known.contains(&topic_event.user())).map(|topic_event| {
        Violation::new(
            "an event of an account that does not exist and was not deleted",
            [evidence::record(topic_event.record)],
        )
    })
}

/// Reports events whose sequence is greater than the version of the stored account.
fn events_beyond_the_version<'a>(
    history: &'a History,
    events: &'a [TopicEvent<'a>],
) -> impl Iterator<Item = Violation> + 'a {
    let users: BTreeMap<Uuid, _> = history.users.iter().map(|user| (user.id, user)).collect();
    events.iter().filter_map(move |topic_event| {
        let user = users.get(&topic_event.user()).filter(|user| user.version < topic_event.sequence())?;
        let evidence = [evidence::record(topic_event.record), evidence::user(user)];
        Some(Violation::new("an event whose sequence exceeds the version of the stored account", evidence))
    })
}

/// Reports mails that no event in the topic asked for.
fn mails_without_event(history: &History) -> Vec<Violation> {
    if history.limits.topic_replaced || history.limits.no_email_service {
        return Vec::new();
    }
    let rows = |topic_event: &TopicEvent<'_>| {
        templates_for(&topic_event.event).iter().map(|name| mail_id(&topic_event.event, name)).collect::<Vec<_>>()
    };
    let requested: BTreeSet<String> = all_events(history).iter().flat_map(rows).collect();
    let unrequested = history.mails.iter().filter(|mail| !requested.contains(&mail.id));
    unrequested.map(|mail| Violation::new("a mail that no event asked for", [evidence::mail(mail)])).collect()
}

/// Reports events in excess of the requests that may have caused them.
fn events_without_cause(history: &History, events: &[TopicEvent<'_>]) -> Vec<Violation> {
    let mut causes: BTreeMap<(Option<Uuid>, EventType), Vec<&Operation>> = BTreeMap::new();
    for operation in history.operations.iter().filter(|operation| may_have_happened(operation)) {
        for expected in expected_events(operation.action) {
            causes.entry((operation.user, expected.event)).or_default().push(operation);
        }
    }
    let mut happened: BTreeMap<(Uuid, EventType), Vec<&TopicEvent<'_>>> = BTreeMap::new();
    for topic_event in events.iter().filter(|topic_event| !occurs_without_request(&topic_event.event.payload)) {
        happened.entry((topic_event.user(), topic_event.event.envelope.event_type)).or_default().push(topic_event);
    }
    // A request for an unknown account explains one event of any account.
    let mut spare: BTreeMap<EventType, usize> = BTreeMap::new();
    for ((user, event), operations) in &causes {
        if user.is_none() {
            *spare.entry(*event).or_default() += operations.len();
        }
    }
    let mut found = Vec::new();
    for ((user, event), topic_event) in happened {
        let operations = causes.get(&(Some(user), event)).map_or(&[][..], Vec::as_slice);
        let explained = if occurs_once_per_account(event) { operations.len().min(1) } else { operations.len() };
        let excess = topic_event.len().saturating_sub(explained);
        let spare = spare.entry(event).or_default();
        let taken = excess.min(*spare);
        *spare -= taken;
        if excess > taken {
            let what =
                format!("{} × {event}, but only {explained} request(s) that may have caused one", topic_event.len());
            let evidence = topic_event.iter().map(|topic_event| evidence::record(topic_event.record));
            found.push(Violation::new(
                what,
                evidence.chain(operations.iter().map(|operation| evidence::operation(operation))),
            ));
        }
    }
    found
}
