//! Checks of the topic: I3, and that a duplicate repeats the same event.

use std::collections::BTreeMap;

use test_support::Record;

/// Returns the first occurrence of every event, in the order of the topic.
///
/// # Panics
/// Panics if a record repeats an event id with other contents, or if the first occurrences of a user's events are not
/// in the order of `ce_sequence`.
#[must_use]
pub fn first_occurrences(records: &[Record]) -> Vec<Record> {
    let mut seen: BTreeMap<String, &Record> = BTreeMap::new();
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    let mut first = Vec::new();
    for record in records {
        if let Some(before) = seen.get(&record.id()) {
            let same = before.value == record.value && before.key == record.key && before.headers == record.headers;
            assert!(same && before.partition == record.partition, "one id, two events: {before:?} and {record:?}");
            continue;
        }
        seen.insert(record.id(), record);
        let before = last.insert(record.key_text(), record.sequence()).unwrap_or(0);
        assert!(before < record.sequence(), "sequence {} after {before}: {record:?}", record.sequence());
        first.push(record.clone());
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, sequence: &str) -> Record {
        let header = |name: &str, value: &str| (name.to_owned(), Some(value.as_bytes().to_vec()));
        Record {
            partition: 0,
            offset: 0,
            timestamp: None,
            key: Some(b"user".to_vec()),
            value: Some(b"{}".to_vec()),
            headers: vec![header("ce_id", id), header("ce_sequence", sequence), header("ce_type", "t")],
        }
    }

    #[test]
    fn the_same_event_again_is_no_first_occurrence() {
        assert_eq!(first_occurrences(&[record("a", "1"), record("b", "2"), record("a", "1")]).len(), 2);
    }

    #[test]
    #[should_panic(expected = "sequence 1 after 2")]
    fn another_order_is_found() {
        let _ = first_occurrences(&[record("a", "2"), record("b", "1")]);
    }

    #[test]
    #[should_panic(expected = "one id, two events")]
    fn another_event_with_a_known_id_is_found() {
        let _ = first_occurrences(&[record("a", "1"), record("a", "2")]);
    }
}
