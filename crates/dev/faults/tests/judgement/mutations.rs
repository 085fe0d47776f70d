//! Applies small errors to valid histories and checks that the checker detects each.

use std::collections::BTreeMap;

use faults::checker::{History, Outcome, Promise, RecordedResponse, TopicRecord, check};
use proptest::{prelude::*, sample::Index};

use crate::{history_builder::SECRET, valid_histories::valid_history};

/// Introduces an error and returns the promise that it breaks. Returns `None` and leaves the history unchanged if
/// the error does not apply to the selected item.
type Mutation = fn(&mut History, Index) -> Option<Promise>;

const MUTATIONS: &[(&str, Mutation)] = &[
    ("a record is lost", |history, which| {
        // A record that an acknowledged change requires, with its duplicates.
        let is_known = |name: &&String| name.as_str() != "-";
        let acknowledged_ids: Vec<String> = acknowledged(history);
        let id = pick(&acknowledged_ids.iter().filter(is_known).cloned().collect::<Vec<_>>(), which)?;
        history.records.retain(|record| header(record, "ce_id") != id);
        Some(Promise::I1)
    }),
    ("two events of one user are swapped", |history, which| {
        let positions: Vec<usize> = first_occurrences(history);
        let pairs: Vec<(usize, usize)> = positions
            .iter()
            .enumerate()
            .flat_map(|(n, one)| positions[n + 1..].iter().map(|two| (*one, *two)))
            .filter(|(one, two)| history.records[*one].key == history.records[*two].key)
            .collect();
        let (one, two) = pick(&pairs, which)?;
        let (at_one, at_two) = (history.records[one].offset, history.records[two].offset);
        history.records.swap(one, two);
        (history.records[one].offset, history.records[two].offset) = (at_one, at_two);
        Some(Promise::I3)
    }),
    ("a duplicate has another header", |history, which| {
        let positions = duplicates(history);
        let position = pick(&positions, which)?;
        history.records[position].headers.push(("traceparent".into(), None));
        Some(Promise::I3)
    }),
    ("an event is published under another id", |history, which| {
        let mut positions: Vec<usize> = first_occurrences(history);
        positions.retain(|position| {
            !has_request_of_unknown_outcome(history, &header(&history.records[*position], "ce_subject"))
        });
        let mut record = history.records[pick(&positions, which)?].clone();
        for (name, value) in &mut record.headers {
            if name == "ce_id" {
                *value = Some(b"00000000-0000-0000-0000-ffffffffffff".to_vec());
            }
            if name == "ce_sequence" {
                *value = Some(b"0000009999".to_vec());
            }
        }
        history.records.push(record);
        Some(Promise::I2)
    }),
    ("an account has a lower version than its events", |history, which| {
        let n = which.index(history.users.len().max(1));
        history.users.get_mut(n)?.version -= 1;
        Some(Promise::I2)
    }),
    ("the newest state of a user is lost", |history, which| {
        let record = pick(&last_states(history), which)?;
        // The record before it may show the same state.
        let (key, version) = (record.key.clone(), header(&record, "ce_sequence"));
        let topic = history.states.as_mut()?;
        topic.retain(|other| other.key != key || header(other, "ce_sequence") < version);
        let last = topic.iter().rfind(|other| other.key == key);
        let differs = last.is_none_or(|last| visible(last) != visible(&record));
        differs.then_some(Promise::I10)
    }),
    ("an older state of a user is published last", |history, which| {
        let lasts = last_states(history);
        let topic = history.states.as_mut()?;
        let is_older =
            |record: &&TopicRecord| lasts.iter().any(|last| last.key == record.key && visible(last) != visible(record));
        let older: Vec<TopicRecord> = topic.iter().filter(is_older).cloned().collect();
        let mut record = pick(&older, which)?;
        record.offset = i64::MAX;
        topic.push(record);
        Some(Promise::I10)
    }),
    ("a user has no state", |history, which| {
        let key = pick(&last_states(history), which)?.key;
        history.states.as_mut()?.retain(|record| record.key != key);
        Some(Promise::I10)
    }),
    ("a record has another state than its version", |history, which| {
        let answered = history.operations.iter().filter_map(|operation| match &operation.outcome {
            Outcome::Answered(response) => Some((operation.user?.to_string(), response.state.as_ref()?.version)),
            Outcome::Unknown { .. } => None,
        });
        let answered: Vec<(String, u64)> = answered.collect();
        let is_known = |record: &&mut TopicRecord| {
            let version = header(record, "ce_sequence").parse().expect("the builder creates valid values");
            record.value.is_some() && answered.contains(&(header(record, "ce_subject"), version))
        };
        let mut known: Vec<&mut TopicRecord> = history.states.as_mut()?.iter_mut().filter(is_known).collect();
        let position = which.index(known.len().max(1));
        let value = known.get_mut(position)?.value.as_mut()?;
        let text = String::from_utf8(value.clone()).expect("the builder creates valid values");
        *value = text.replace("\"username\":\"ada\"", "\"username\":\"eve\"").into_bytes();
        Some(Promise::I10)
    }),
    ("a state is not valid", |history, which| {
        let topic = history.states.as_mut()?;
        let position = which.index(topic.len());
        topic[position].headers.retain(|(name, _)| name != "ce_time");
        Some(Promise::I10)
    }),
    ("a dot arrives twice", |history, which| {
        let accepted: Vec<usize> = (0..history.smtp.len()).filter(|n| !refused(history, *n)).collect();
        let copy = history.smtp[pick(&accepted, which)?].clone();
        history.smtp.push(copy);
        Some(Promise::I5)
    }),
    ("a mail has no end time", |history, which| {
        let n = which.index(history.mails.len().max(1));
        history.mails.get_mut(n)?.terminal_at = None;
        Some(Promise::I4)
    }),
    ("a mail is in a state that is not terminal", |history, which| {
        let n = which.index(history.mails.len().max(1));
        history.mails.get_mut(n)?.state = "preparing".into();
        Some(Promise::I4)
    }),
    ("a mail is sent that no server accepted", |history, which| {
        let failed: Vec<usize> = (0..history.mails.len()).filter(|n| history.mails[*n].state != "sent").collect();
        history.mails[pick(&failed, which)?].state = "sent".into();
        Some(Promise::I4)
    }),
    ("a row is lost", |history, which| {
        let n = which.index(history.mails.len().max(1));
        (n < history.mails.len()).then(|| history.mails.remove(n))?;
        Some(if which.index(2) == 0 { Promise::I4 } else { Promise::I9 })
    }),
    ("a row is lost, and its offset raised later", |history, which| {
        let n = which.index(history.mails.len().max(1));
        let mail = (n < history.mails.len()).then(|| history.mails.remove(n))?;
        let lost = history.records.iter().find(|record| header(record, "ce_id") == mail.event_id)?;
        history.committed.insert(lost.partition, lost.offset);
        let before = check(history).count(Promise::I9);
        assert_eq!(before, 0, "a record after the committed offset is not lost");
        history.committed.insert(lost.partition, lost.offset + 1);
        Some(Promise::I9)
    }),
    ("a dead letter is lost", |history, which| {
        let n = which.index(history.dead_letters.len().max(1));
        (n < history.dead_letters.len()).then(|| history.dead_letters.remove(n))?;
        Some(Promise::I8)
    }),
    ("a dead letter is there twice", |history, which| {
        let copy = pick(&history.dead_letters, which)?;
        history.dead_letters.push(copy);
        Some(Promise::I8)
    }),
    ("a neighbour is late", |history, which| {
        let bad = history.limits.undeliverable.clone();
        let good = |n: &usize| {
            history
                .mails
                .iter()
                .any(|mail| Some(&mail.message_id) == history.smtp[*n].message_id.as_ref() && !bad.contains(&mail.to))
        };
        let positions: Vec<usize> = (0..history.smtp.len()).filter(good).collect();
        let n = pick(&positions, which)?;
        history.smtp[n].dot_at = history.smtp[n].dot_at.map(|at| at + jiff::SignedDuration::from_mins(2));
        Some(Promise::I6)
    }),
    ("a refusal lacks Retry-After", |history, which| {
        let refusals: Vec<usize> = (0..history.operations.len())
            .filter(
                |n| matches!(&history.operations[*n].outcome, Outcome::Answered(response) if response.status == 503),
            )
            .collect();
        let n = pick(&refusals, which)?;
        history.operations[n].outcome =
            Outcome::Answered(RecordedResponse { status: 503, ..RecordedResponse::default() });
        Some(Promise::I7)
    }),
    ("a process is too large", |history, which| {
        let n = which.index(history.samples.len());
        history.samples[n].descriptors = 1_001;
        Some(Promise::I7)
    }),
    ("a secret is in a record", |history, which| {
        let n = which.index(history.records.len());
        let value = history.records[n].value.get_or_insert_default();
        value.extend_from_slice(SECRET.as_bytes());
        Some(Promise::S1)
    }),
    ("a response reveals whether an account exists", |history, which| {
        let probes: Vec<usize> =
            (0..history.operations.len()).filter(|n| history.operations[*n].comparison_group.is_some()).collect();
        let n = pick(&probes, which)?;
        history.operations[n].outcome =
            Outcome::Answered(RecordedResponse { status: 404, ..RecordedResponse::default() });
        Some(Promise::S2)
    }),
];

fn pick<T: Clone>(of: &[T], which: Index) -> Option<T> {
    (!of.is_empty()).then(|| which.get(of).clone())
}

fn header(record: &TopicRecord, name: &str) -> String {
    let value = record.headers.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.clone());
    value.map_or_else(|| "-".to_owned(), |value| String::from_utf8(value).expect("the builder creates valid values"))
}

/// Returns the last state of each user.
fn last_states(history: &History) -> Vec<TopicRecord> {
    let last: BTreeMap<_, _> = history.states.iter().flatten().map(|record| (record.key.clone(), record)).collect();
    last.into_values().cloned().collect()
}

/// Returns what a record of the topic of states shows, without the version.
fn visible(record: &TopicRecord) -> Option<serde_json::Value> {
    let value = record.value.as_deref()?;
    let mut state: serde_json::Value = serde_json::from_slice(value).expect("the builder creates valid values");
    state["version"].take();
    Some(state)
}

/// Returns the ids of events whose sequence is the version in a response.
fn acknowledged(history: &History) -> Vec<String> {
    let versions = history.operations.iter().filter_map(|operation| match &operation.outcome {
        Outcome::Answered(response) => Some((operation.user?, response.version?)),
        Outcome::Unknown { .. } => None,
    });
    let id = |(user, version): (uuid::Uuid, u64)| {
        let is_event = |record: &&TopicRecord| {
            header(record, "ce_subject") == user.to_string()
                && header(record, "ce_sequence") == format!("{version:010}")
        };
        history.records.iter().find(is_event).map(|record| header(record, "ce_id"))
    };
    versions.filter_map(id).collect()
}

/// Returns whether a request of unknown outcome may have caused one more event of this user, whose document is
/// gone, so that its version cannot exclude it.
fn has_request_of_unknown_outcome(history: &History, user: &str) -> bool {
    let unclear = |outcome: &Outcome| match outcome {
        Outcome::Answered(response) => response.status >= 500 && response.problem.as_deref() != Some("overloaded"),
        Outcome::Unknown { .. } => true,
    };
    let concerns_user =
        |operation: &&faults::checker::Operation| operation.user.is_none_or(|id| id.to_string() == user);
    let stored = history.users.iter().any(|stored| stored.id.to_string() == user);
    !stored && history.operations.iter().filter(concerns_user).any(|operation| unclear(&operation.outcome))
}

/// Returns the positions of the service's events that occur only once.
fn first_occurrences(history: &History) -> Vec<usize> {
    let repeated = duplicates(history);
    let first = |n: &usize| !history.records[*n].foreign && !repeated.contains(n);
    (0..history.records.len()).filter(first).filter(|n| !has_duplicate(history, *n)).collect()
}

fn duplicates(history: &History) -> Vec<usize> {
    let before = |n: usize| history.records[..n].iter().map(|record| header(record, "ce_id"));
    let is_repeated = |n: &usize| {
        let id = header(&history.records[*n], "ce_id");
        !history.records[*n].foreign && before(*n).any(|before| before == id)
    };
    (0..history.records.len()).filter(is_repeated).collect()
}

fn has_duplicate(history: &History, n: usize) -> bool {
    let id = header(&history.records[n], "ce_id");
    history.records[n + 1..].iter().any(|record| header(record, "ce_id") == id)
}

fn refused(history: &History, n: usize) -> bool {
    history.smtp[n].reply.as_ref().is_some_and(|reply| reply.starts_with('5'))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_mutation_breaks_the_promise_that_it_names(
        mut history in valid_history(),
        what in any::<Index>(),
        which in any::<Index>(),
    ) {
        let (name, mutation) = what.get(MUTATIONS);
        if let Some(broken) = mutation(&mut history, which) {
            let report = check(&history);
            prop_assert!(report.broken().contains(&broken), "{name} does not break {broken}:\n{report}");
        }
    }
}
