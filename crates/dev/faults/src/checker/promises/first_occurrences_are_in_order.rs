//! I3: of one user, first occurrences are in the order of `ce_sequence`. They are in one
//! partition, and whatever comes again is the same record again.

use std::collections::BTreeMap;

use events::topic::{DEFAULT_PARTITIONS, partition_of};
use uuid::Uuid;

use crate::checker::{
    History, Record, Violation,
    reading::{Said, all_events, is_ours},
    show,
};

pub(super) fn violations(history: &History) -> Vec<Violation> {
    let mut first: BTreeMap<Uuid, Said<'_>> = BTreeMap::new();
    let mut latest: BTreeMap<Uuid, Said<'_>> = BTreeMap::new();
    let mut found = Vec::new();
    for said in all_events(history).into_iter().filter(|said| is_ours(history, said.record)) {
        let record = said.record;
        let wanted = homes(history, record);
        if !wanted.contains(&record.partition) {
            let what = format!("a record in another partition than {wanted:?}, where its key belongs");
            found.push(Violation::new(what, [show::record(record)]));
        }
        if let Some(before) = first.get(&said.id()) {
            let before = before.record;
            if (&before.key, &before.value, &before.headers) != (&record.key, &record.value, &record.headers) {
                let evidence = [show::record(before), show::record(record)];
                found.push(Violation::new("one ce_id, and two different records", evidence));
            }
            continue;
        }
        first.insert(said.id(), said.clone());
        if let Some(before) = latest.insert(said.user(), said.clone())
            && before.sequence() >= said.sequence()
        {
            let evidence = [show::record(before.record), show::record(record)];
            found.push(Violation::new("a first occurrence behind one of a later sequence", evidence));
        }
    }
    found
}

/// The partitions that a record's key has belonged to.
fn homes(history: &History, record: &Record) -> Vec<i32> {
    let key = record.key.as_deref().unwrap_or_default();
    let usual = [DEFAULT_PARTITIONS];
    let counts = if history.limits.partitions.is_empty() { &usual[..] } else { &history.limits.partitions };
    counts.iter().map(|count| partition_of(key, *count)).collect()
}
