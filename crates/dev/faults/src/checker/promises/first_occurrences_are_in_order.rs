//! I3: the first occurrences of one user's events are in the order of `ce_sequence` and in one partition, and
//! every repetition is identical to its first occurrence.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::checker::{
    History, Violation, evidence,
    topic_events::{TopicEvent, all_events, allowed_partitions, is_from_user_service},
};

pub(super) fn violations(history: &History) -> Vec<Violation> {
    let mut first: BTreeMap<Uuid, TopicEvent<'_>> = BTreeMap::new();
    let mut latest: BTreeMap<Uuid, TopicEvent<'_>> = BTreeMap::new();
    let mut found = Vec::new();
    for topic_event in
        all_events(history).into_iter().filter(|topic_event| is_from_user_service(history, topic_event.record))
    {
        let record = topic_event.record;
        let wanted = allowed_partitions(history, record);
        if !wanted.contains(&record.partition) {
            let what = format!("a record outside the partitions {wanted:?} of its key");
            found.push(Violation::new(what, [evidence::record(record)]));
        }
        if let Some(before) = first.get(&topic_event.id()) {
            let before = before.record;
            if (&before.key, &before.value, &before.headers) != (&record.key, &record.value, &record.headers) {
                let evidence = [evidence::record(before), evidence::record(record)];
                found.push(Violation::new("two different records with the same ce_id", evidence));
            }
            continue;
        }
        first.insert(topic_event.id(), topic_event.clone());
        if let Some(before) = latest.insert(topic_event.user(), topic_event.clone())
            && before.sequence() >= topic_event.sequence()
        {
            let evidence = [evidence::record(before.record), evidence::record(record)];
            found.push(Violation::new("a first occurrence after one with a later sequence", evidence));
        }
    }
    found
}
