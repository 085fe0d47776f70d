//! I2: no event is published, and no mail sent, for a change that was not made.

use std::collections::{BTreeMap, BTreeSet};

use events::{Decoded, EventType};
use uuid::Uuid;

use crate::checker::{
    History, Operation, Violation,
    effects::{effects, happens_by_itself, happens_once, may_have_happened},
    mails::{asked_for, row_id},
    reading::{Said, all_events, decode, first_occurrences, is_ours},
    show,
};

pub(super) fn violations(history: &History) -> Vec<Violation> {
    let events = first_occurrences(history);
    let mut found: Vec<Violation> = strangers(history).collect();
    found.extend(without_account(history, &events));
    found.extend(beyond_the_version(history, &events));
    found.extend(unexplained(history, &events));
    found.extend(unasked_mails(history));
    found
}

/// Records of the service that are no events of the contract.
fn strangers(history: &History) -> impl Iterator<Item = Violation> + '_ {
    let ours = history.records.iter().filter(|record| is_ours(history, record));
    ours.filter(|record| !matches!(decode(record), Ok(Decoded::Event(_))))
        .map(|record| Violation::new("a record that is no event of the contract", [show::record(record)]))
}

/// Events of accounts that neither exist nor were deleted.
fn without_account<'a>(history: &History, events: &'a [Said<'a>]) -> impl Iterator<Item = Violation> + use<'a> {
    let stored = history.users.iter().map(|user| user.id);
    let deleted = events.iter().filter(|said| said.event.envelope.event_type == EventType::UserDeleted);
    let known: BTreeSet<Uuid> = stored.chain(deleted.map(Said::user)).collect();
    let replaced = history.limits.topic_replaced;
    events.iter().filter(move |said| !replaced && !known.contains(&said.user())).map(|said| {
        Violation::new("an event of an account that does not exist and was not deleted", [show::record(said.record)])
    })
}

/// Events of writes that the stored account has never seen.
fn beyond_the_version<'a>(history: &'a History, events: &'a [Said<'a>]) -> impl Iterator<Item = Violation> + 'a {
    let users: BTreeMap<Uuid, _> = history.users.iter().map(|user| (user.id, user)).collect();
    events.iter().filter_map(move |said| {
        let user = users.get(&said.user()).filter(|user| user.version < said.sequence())?;
        let evidence = [show::record(said.record), show::user(user)];
        Some(Violation::new("an event whose sequence the stored account has not reached", evidence))
    })
}

/// Mails that no event in the topic asked for.
fn unasked_mails(history: &History) -> Vec<Violation> {
    if history.limits.topic_replaced || history.limits.no_email_service {
        return Vec::new();
    }
    let rows =
        |said: &Said<'_>| asked_for(&said.event).iter().map(|name| row_id(&said.event, name)).collect::<Vec<_>>();
    let asked: BTreeSet<String> = all_events(history).iter().flat_map(rows).collect();
    let unasked = history.mails.iter().filter(|mail| !asked.contains(&mail.id));
    unasked.map(|mail| Violation::new("a mail that no event asked for", [show::mail(mail)])).collect()
}

/// More events than requests that may have caused them.
fn unexplained(history: &History, events: &[Said<'_>]) -> Vec<Violation> {
    let mut causes: BTreeMap<(Option<Uuid>, EventType), Vec<&Operation>> = BTreeMap::new();
    for operation in history.operations.iter().filter(|operation| may_have_happened(operation)) {
        for effect in effects(operation.action) {
            causes.entry((operation.user, effect.event)).or_default().push(operation);
        }
    }
    let mut happened: BTreeMap<(Uuid, EventType), Vec<&Said<'_>>> = BTreeMap::new();
    for said in events.iter().filter(|said| !happens_by_itself(&said.event.payload)) {
        happened.entry((said.user(), said.event.envelope.event_type)).or_default().push(said);
    }
    // A request of which nobody knows whose account it was about explains one event of anybody.
    let mut spare: BTreeMap<EventType, usize> = BTreeMap::new();
    for ((user, event), operations) in &causes {
        if user.is_none() {
            *spare.entry(*event).or_default() += operations.len();
        }
    }
    let mut found = Vec::new();
    for ((user, event), said) in happened {
        let operations = causes.get(&(Some(user), event)).map_or(&[][..], Vec::as_slice);
        let explained = if happens_once(event) { operations.len().min(1) } else { operations.len() };
        let excess = said.len().saturating_sub(explained);
        let spare = spare.entry(event).or_default();
        let taken = excess.min(*spare);
        *spare -= taken;
        if excess > taken {
            let what = format!("{} × {event}, and only {explained} request(s) that may have caused one", said.len());
            let evidence = said.iter().map(|said| show::record(said.record));
            found.push(Violation::new(
                what,
                evidence.chain(operations.iter().map(|operation| show::operation(operation))),
            ));
        }
    }
    found
}
