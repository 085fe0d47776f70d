//! I10: the last record of every user in the topic of states is the newest committed state, or a tombstone if the
//! user was deleted. Every record is a valid one of its user, and shows a state that was committed.

use std::collections::{BTreeMap, BTreeSet};

use events::{Decoded, EventType, Record as _, StateRecord, UserState};
use uuid::Uuid;

use crate::checker::{
    Action, History, Outcome, StoredUser, TopicRecord, Violation, evidence,
    topic_events::{TopicEvent, allowed_partitions, decode_state, first_occurrences},
};

pub(super) fn violations(history: &History) -> Vec<Violation> {
    let Some(records) = &history.states else { return Vec::new() };
    let mut found = Vec::new();
    let mut of_users: BTreeMap<Uuid, Vec<PublishedState<'_>>> = BTreeMap::new();
    for record in records.iter().filter(|record| !record.foreign) {
        let Ok(Decoded::Event(state)) = decode_state(record) else {
            found.push(Violation::new("a record that is not a user.state.v1", [evidence::record(record)]));
            continue;
        };
        let allowed = allowed_partitions(history, record);
        let Some(generation) = allowed.iter().rposition(|partition| *partition == record.partition) else {
            let what = format!("a record outside the partitions {allowed:?} of its key");
            found.push(Violation::new(what, [evidence::record(record)]));
            continue;
        };
        of_users.entry(state.user).or_default().push(PublishedState { record, state: *state, generation });
    }
    let accounts = Accounts::from_history(history);
    for (user, published) in &mut of_users {
        // A key moves when partitions are added. Its records in the new partition are later than all others.
        published.sort_by_key(|published| (published.generation, published.record.offset));
        found.extend(states_that_were_not_committed(&accounts, *user, published));
    }
    for user in accounts.ids().chain(of_users.keys().copied()).collect::<BTreeSet<Uuid>>() {
        found.extend(end_violation(history, &accounts, user, of_users.get(&user).map_or(&[], Vec::as_slice)));
    }
    found
}

/// A valid record of the topic of states.
struct PublishedState<'a> {
    record: &'a TopicRecord,
    state: StateRecord,
    /// The index of the number of partitions that determined its partition.
    generation: usize,
}

/// What the other parts of the history say about the accounts.
struct Accounts<'a> {
    stored: BTreeMap<Uuid, &'a StoredUser>,
    deleted: BTreeMap<Uuid, TopicEvent<'a>>,
    /// The states that were committed, by account and version. Those of responses lack the attributes.
    committed: BTreeMap<(Uuid, u64), &'a UserState>,
}

impl<'a> Accounts<'a> {
    fn from_history(history: &'a History) -> Self {
        let deletions = first_occurrences(history)
            .into_iter()
            .filter(|topic_event| topic_event.event.envelope.event_type == EventType::UserDeleted);
        let answered = history.operations.iter().filter_map(|operation| match &operation.outcome {
            Outcome::Answered(response) if always_writes(operation.action) => response.state.as_deref(),
            _ => None,
        });
        let stored = history.users.iter().filter_map(|user| user.state.as_ref());
        Self {
            stored: history.users.iter().filter(|user| !user.deleted).map(|user| (user.id, user)).collect(),
            deleted: deletions.map(|topic_event| (topic_event.user(), topic_event)).collect(),
            committed: answered.chain(stored).map(|state| ((state.id, state.version), state)).collect(),
        }
    }

    fn ids(&self) -> impl Iterator<Item = Uuid> {
        self.stored.keys().chain(self.deleted.keys()).copied()
    }
}

/// Returns whether a success of this kind always follows a write, so that the account in the response was committed.
/// Other responses may show what they have read.
fn always_writes(action: Action) -> bool {
    matches!(action, Action::Register | Action::Login | Action::UpdateProfile)
}

/// Reports records that show what the account never was.
fn states_that_were_not_committed(
    accounts: &Accounts<'_>,
    user: Uuid,
    published: &[PublishedState<'_>],
) -> Vec<Violation> {
    let (stored, deleted) = (accounts.stored.get(&user), accounts.deleted.get(&user));
    let mut of_version: BTreeMap<u64, &PublishedState<'_>> = BTreeMap::new();
    let mut found = Vec::new();
    for one in published {
        let mut add = |what: String, other: Option<String>| {
            found.push(Violation::new(what, std::iter::once(evidence::record(one.record)).chain(other)));
        };
        let version = one.state.version;
        let Some(state) = &one.state.state else {
            if let Some(stored) = stored {
                add("a tombstone of a user who was not deleted".to_owned(), Some(evidence::user(stored)));
            }
            continue;
        };
        match (stored, deleted) {
            (Some(stored), _) if version > stored.version => {
                add("a version that exceeds that of the stored account".to_owned(), Some(evidence::user(stored)));
            }
            (None, Some(deletion)) if version >= deletion.sequence() => {
                add("a state of a user who was deleted before".to_owned(), Some(evidence::record(deletion.record)));
            }
            (None, None) => {
                add("a state of an account that does not exist and was not deleted".to_owned(), None);
            }
            _ => {}
        }
        if let Some(committed) = accounts.committed.get(&(user, version)) {
            let members = differing_members(state, committed, &["attributes"]);
            if !members.is_empty() {
                add(format!("a state that the account never had: {} differ", members.join(", ")), None);
            }
        }
        let before = of_version.entry(version).or_insert(one);
        if let Some(other) = before.state.state.as_ref() {
            let members = differing_members(state, other, &["attributes"]);
            if !members.is_empty() {
                let what = format!("two different states with the same version: {} differ", members.join(", "));
                add(what, Some(evidence::record(before.record)));
            }
        }
    }
    found
}

/// Reports that the topic does not end with the newest state of the user: in its last record, or in the record that a
/// consumer keeps who ignores lower versions.
fn end_violation(
    history: &History,
    accounts: &Accounts<'_>,
    user: Uuid,
    published: &[PublishedState<'_>],
) -> Option<Violation> {
    let (stored, deleted) = (accounts.stored.get(&user), accounts.deleted.get(&user));
    let account = match (stored, deleted) {
        (Some(stored), _) => evidence::user(stored),
        (None, Some(deletion)) => evidence::record(deletion.record),
        // Its records were reported.
        (None, None) => return None,
    };
    let violation = |what: String| {
        let records = published.iter().map(|published| evidence::record(published.record));
        Some(Violation::new(what, std::iter::once(account).chain(records)))
    };
    let expected = stored.and_then(|stored| stored.state.as_ref());
    let Some(last) = published.last() else {
        return match stored {
            Some(_) if expected.is_none() => None,
            Some(_) => violation("no state of this account is in the topic".to_owned()),
            None if history.limits.states_later => None,
            None => violation("no tombstone of this deleted user is in the topic".to_owned()),
        };
    };
    if let Some(why) = why_not_newest(last, expected) {
        return violation(format!("the last record is not the newest state: {why}"));
    }
    let kept =
        published.iter().reduce(|kept, next| if next.state.is_repeat(Some(kept.state.version)) { kept } else { next });
    let why = why_not_newest(kept?, expected)?;
    violation(format!("the record with the highest version is not the newest state: {why}"))
}

fn why_not_newest(published: &PublishedState<'_>, expected: Option<&UserState>) -> Option<String> {
    match (&published.state.state, expected) {
        (None, None) => None,
        (Some(_), None) => Some("it is a state, and the user is deleted or hidden".to_owned()),
        (None, Some(_)) => Some("it is a tombstone".to_owned()),
        (Some(state), Some(expected)) => {
            let members = differing_members(state, expected, &[]);
            (!members.is_empty()).then(|| format!("{} differ", members.join(", ")))
        }
    }
}

/// Returns the names of the members that differ, without the version and those to ignore.
fn differing_members(one: &UserState, other: &UserState, ignored: &[&str]) -> Vec<String> {
    let [one, other] = [one, other].map(|state| serde_json::to_value(state).unwrap_or_default());
    let names: BTreeSet<&String> =
        [&one, &other].iter().filter_map(|state| state.as_object()).flat_map(|m| m.keys()).collect();
    let differs = |name: &&String| {
        *name != "version" && !ignored.contains(&name.as_str()) && one.get(name.as_str()) != other.get(name.as_str())
    };
    names.into_iter().filter(differs).cloned().collect()
}
