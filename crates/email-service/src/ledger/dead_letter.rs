//! A dead letter: the stored document, and the record that it contains.

use bson::{Binary, spec::BinarySubtype};
use event_consumer::ConsumedRecord;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_with::{serde_as, skip_serializing_none};
use sha2::{Digest as _, Sha256};

use super::{DeadLetterState, SCHEMA_VERSION};
use crate::bson_date::BsonDate;

/// Larger records are stored without their contents: a document holds at most 16 MiB.
const MAX_KEPT_BYTES: usize = 12 * 1024 * 1024;

/// A record, and the reason why it could not be processed.
#[skip_serializing_none]
#[serde_as]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// SHA-256 of topic, partition, offset, record timestamp and value: the same record is stored
    /// once, and a new topic of the same name starts afresh.
    #[serde(rename = "_id")]
    pub id: String,
    pub schema_version: i32,
    pub state: DeadLetterState,
    /// A stable slug: the newest reason.
    pub reason: String,
    /// A sentence that quotes none of the record's data.
    pub detail: String,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// The record's own timestamp, in milliseconds.
    pub timestamp: Option<i64>,
    pub event_id: Option<String>,
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    pub key: Option<Binary>,
    #[serde(default)]
    pub headers: Vec<RecordHeader>,
    /// `None` for a record without a value; see `contents_kept`.
    pub value: Option<Binary>,
    /// False if key, headers and value were too large to be stored: they are in the topic only.
    pub contents_kept: bool,
    #[serde_as(as = "BsonDate")]
    pub first_seen_at: Timestamp,
    /// Oldest first. Empty in dead letters of a release that stored no history.
    #[serde(default)]
    pub history: Vec<DeadLetterStep>,
    /// Set when an operator decides; the dead letter is removed `ledger.retention` later.
    #[serde_as(as = "Option<BsonDate>")]
    pub settled_at: Option<Timestamp>,
}

/// One change of state of a dead letter.
#[skip_serializing_none]
#[serde_as]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetterStep {
    #[serde_as(as = "BsonDate")]
    pub at: Timestamp,
    /// Absent in the first entry.
    pub from: Option<DeadLetterState>,
    pub to: DeadLetterState,
    /// The reason at this time.
    pub reason: Option<String>,
    pub note: Option<String>,
    /// The instance, or the operator.
    pub by: String,
}

/// A header of the record.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordHeader {
    pub name: String,
    pub value: Option<Binary>,
}

impl DeadLetter {
    /// Creates the dead letter of `record`, found at `now` by the instance `by`.
    #[must_use]
    pub fn new(record: ConsumedRecord, reason: &str, detail: String, by: &str, now: Timestamp) -> Self {
        let binary = |bytes| Binary { subtype: BinarySubtype::Generic, bytes };
        let kept = record.size() <= MAX_KEPT_BYTES;
        Self {
            id: dead_letter_id(&record),
            schema_version: SCHEMA_VERSION,
            state: DeadLetterState::Open,
            reason: reason.to_owned(),
            detail,
            event_id: header(&record, events::header::ID),
            event_type: header(&record, events::header::TYPE),
            topic: record.topic,
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.filter(|_| kept).map(binary),
            headers: if kept {
                record
                    .headers
                    .into_iter()
                    .map(|(name, value)| RecordHeader { name, value: value.map(binary) })
                    .collect()
            } else {
                Vec::new()
            },
            value: record.value.filter(|_| kept).map(binary),
            contents_kept: kept,
            first_seen_at: now,
            history: vec![DeadLetterStep {
                at: now,
                from: None,
                to: DeadLetterState::Open,
                reason: Some(reason.to_owned()),
                note: None,
                by: by.to_owned(),
            }],
            settled_at: None,
        }
    }

    /// Returns the record as it was read from the topic, or `None` if it was too large to be
    /// stored.
    #[must_use]
    pub fn record(&self) -> Option<ConsumedRecord> {
        let bytes = |binary: &Option<Binary>| binary.as_ref().map(|binary| binary.bytes.clone());
        self.contents_kept.then(|| ConsumedRecord {
            topic: self.topic.clone(),
            partition: self.partition,
            offset: self.offset,
            timestamp: self.timestamp,
            key: bytes(&self.key),
            headers: self.headers.iter().map(|header| (header.name.clone(), bytes(&header.value))).collect(),
            value: bytes(&self.value),
        })
    }
}

/// Returns the first characters of a header whose value is UTF-8.
fn header(record: &ConsumedRecord, wanted: &str) -> Option<String> {
    const SHOWN: usize = 100;
    let value = record.headers.iter().find(|(name, _)| name == wanted)?.1.as_deref()?;
    let text = std::str::from_utf8(value).ok()?;
    Some(text.chars().filter(|c| !c.is_control()).take(SHOWN).collect())
}

/// Returns the id of the record's dead letter.
fn dead_letter_id(record: &ConsumedRecord) -> String {
    let mut digest = Sha256::new();
    let mut update = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    update(record.topic.as_bytes());
    update(&record.partition.to_be_bytes());
    update(&record.offset.to_be_bytes());
    update(&record.timestamp.unwrap_or(-1).to_be_bytes());
    match &record.value {
        Some(value) => update(value),
        None => update(b"\0none"),
    }
    hex::encode(digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ConsumedRecord {
        ConsumedRecord {
            topic: "t".into(),
            partition: 3,
            offset: 7,
            timestamp: Some(1),
            key: Some(b"k".to_vec()),
            headers: vec![("ce_id".into(), Some(b"i\nd".to_vec()))],
            value: Some(b"v".to_vec()),
        }
    }

    fn letter(record: ConsumedRecord) -> DeadLetter {
        DeadLetter::new(record, "not-json", "no".into(), "here", Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn any_difference_between_records_gives_another_id() {
        let id = dead_letter_id(&record());
        assert_eq!(id, dead_letter_id(&record()));
        let mut others = Vec::new();
        others.push(ConsumedRecord { topic: "u".into(), ..record() });
        others.push(ConsumedRecord { partition: 4, ..record() });
        others.push(ConsumedRecord { offset: 8, ..record() });
        others.push(ConsumedRecord { timestamp: Some(2), ..record() });
        others.push(ConsumedRecord { timestamp: None, ..record() });
        others.push(ConsumedRecord { value: Some(b"w".to_vec()), ..record() });
        others.push(ConsumedRecord { value: None, ..record() });
        for other in others {
            assert_ne!(dead_letter_id(&other), id, "{other:?}");
        }
    }

    #[test]
    fn a_dead_letter_round_trips_through_bson() {
        let letter = letter(record());
        let document = bson::serialize_to_document(&letter).unwrap();
        assert_eq!(document.get_str("eventId").unwrap(), "id");
        assert_eq!(bson::deserialize_from_document::<DeadLetter>(document).unwrap(), letter);
    }

    #[test]
    fn the_record_of_a_dead_letter_is_the_consumed_record() {
        let empty = ConsumedRecord { key: None, value: None, headers: vec![("h".into(), None)], ..record() };
        for read in [record(), empty, ConsumedRecord::default()] {
            let kept = letter(read.clone());
            let document = bson::serialize_to_document(&kept).unwrap();
            let back: DeadLetter = bson::deserialize_from_document(document).unwrap();
            assert_eq!(back.record(), Some(read.clone()));
            assert_eq!(dead_letter_id(&back.record().unwrap()), back.id);
        }
    }

    #[test]
    fn a_dead_letter_without_history_is_readable() {
        let mut document = bson::serialize_to_document(&letter(record())).unwrap();
        document.remove("history");
        assert_eq!(bson::deserialize_from_document::<DeadLetter>(document).unwrap().history, []);
    }

    #[test]
    fn a_record_too_large_for_a_document_is_stored_without_its_contents() {
        let large = ConsumedRecord { value: Some(vec![0; MAX_KEPT_BYTES + 1]), ..record() };
        let id = dead_letter_id(&large);
        let letter = letter(large);
        assert!(!letter.contents_kept && letter.value.is_none() && letter.headers.is_empty());
        assert_eq!((letter.id.clone(), letter.record()), (id, None));
        assert!(bson::serialize_to_vec(&letter).unwrap().len() < 1_000);
    }
}
