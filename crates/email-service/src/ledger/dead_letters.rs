//! Records that cannot be processed, kept once with their reason.

use std::time::Duration;

use bson::{Binary, Bson, Document, doc, spec::BinarySubtype};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::{Collection, Database};
use serde::{Deserialize, Serialize};
use service_kit::mongo::{StoreError, within};
use sha2::{Digest as _, Sha256};

use super::{SCHEMA_VERSION, mail_job::bson_time};

/// The collection.
pub const COLLECTION: &str = "deadLetters";

/// Beyond this a record is kept without its contents: a document holds 16 MiB.
const MAX_KEPT: usize = 12 * 1024 * 1024;

/// Handle to the dead letters.
#[derive(Clone)]
pub struct DeadLetters {
    documents: Collection<DeadLetter>,
    deadline: Duration,
}

/// A record, and why it could not be processed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// SHA-256 of topic, partition, offset, record timestamp and value: the same record is
    /// kept once, and a new topic of the same name starts afresh.
    #[serde(rename = "_id")]
    pub id: String,
    pub schema_version: i32,
    /// `open`, `replayed` or `discarded`.
    pub state: String,
    /// A stable slug.
    pub reason: String,
    /// A sentence that quotes nothing of the record's data.
    pub detail: String,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// The record's own timestamp, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Binary>,
    #[serde(default)]
    pub headers: Vec<DeadHeader>,
    /// None for a record without a value; see `contents_kept`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Binary>,
    /// False: key, headers and value were too large to be kept, and are in the topic only.
    pub contents_kept: bool,
    #[serde(with = "bson_time")]
    pub first_seen_at: Timestamp,
}

/// A header of the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadHeader {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Binary>,
}

/// Where a record stands in the topic, and its contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// In milliseconds; none on a topic without timestamps.
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub value: Option<Vec<u8>>,
}

impl Record {
    /// Bytes of its contents.
    #[must_use]
    pub fn size(&self) -> usize {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + length(value)).sum();
        length(&self.key) + headers + length(&self.value)
    }

    /// The text of a header that is there once and is UTF-8; its first characters.
    fn header(&self, wanted: &str) -> Option<String> {
        const SHOWN: usize = 100;
        let value = self.headers.iter().find(|(name, _)| name == wanted)?.1.as_deref()?;
        let text = std::str::from_utf8(value).ok()?;
        Some(text.chars().filter(|c| !c.is_control()).take(SHOWN).collect())
    }

    /// The id of its dead letter.
    #[must_use]
    pub fn dead_letter_id(&self) -> String {
        let mut digest = Sha256::new();
        let mut part = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        };
        part(self.topic.as_bytes());
        part(&self.partition.to_be_bytes());
        part(&self.offset.to_be_bytes());
        part(&self.timestamp.unwrap_or(-1).to_be_bytes());
        match &self.value {
            Some(value) => part(value),
            None => part(b"\0none"),
        }
        hex::encode(digest.finalize())
    }
}

impl DeadLetter {
    /// The dead letter of `record`.
    #[must_use]
    pub fn new(record: Record, reason: &str, detail: String, now: Timestamp) -> Self {
        let binary = |bytes| Binary { subtype: BinarySubtype::Generic, bytes };
        let kept = record.size() <= MAX_KEPT;
        Self {
            id: record.dead_letter_id(),
            schema_version: SCHEMA_VERSION,
            state: "open".to_owned(),
            reason: reason.to_owned(),
            detail,
            event_id: record.header(events::header::ID),
            event_type: record.header(events::header::TYPE),
            topic: record.topic,
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.filter(|_| kept).map(binary),
            headers: if kept {
                record.headers.into_iter().map(|(name, value)| DeadHeader { name, value: value.map(binary) }).collect()
            } else {
                Vec::new()
            },
            value: record.value.filter(|_| kept).map(binary),
            contents_kept: kept,
            first_seen_at: now,
        }
    }
}

impl DeadLetters {
    #[must_use]
    pub fn new(database: &Database, deadline: Duration) -> Self {
        Self { documents: database.collection(COLLECTION), deadline }
    }

    /// Keeps the letters that are not there yet; one that somebody has discarded stays
    /// discarded.
    ///
    /// # Errors
    /// [`StoreError`]: some may be kept. Trying again is safe.
    pub async fn keep(&self, letters: &[DeadLetter]) -> Result<(), StoreError> {
        for letter in letters {
            let mut document = bson::serialize_to_document(letter).map_err(mongodb::error::Error::from)?;
            document.remove("_id");
            let update = doc! { "$setOnInsert": document };
            let upsert = self.documents.update_one(doc! { "_id": &letter.id }, update).upsert(true);
            match within(self.deadline, upsert).await {
                // Two instances at once: the other one has kept it.
                Ok(_) | Err(StoreError::DuplicateKey { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// One letter.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(&self, id: &str) -> Result<Option<DeadLetter>, StoreError> {
        within(self.deadline, self.documents.find_one(doc! { "_id": id })).await
    }

    /// The newest first, of that state where given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, state: Option<&str>, limit: i64) -> Result<Vec<DeadLetter>, StoreError> {
        let filter: Document = state.map(|state| doc! { "state": state }).unwrap_or_default();
        let list = async {
            let contents = doc! { "key": 0, "headers": 0, "value": 0 };
            self.documents
                .find(filter)
                .projection(contents)
                .sort(doc! { "firstSeenAt": -1 })
                .limit(limit)
                .await?
                .try_collect()
                .await
        };
        within(self.deadline, list).await
    }

    /// How many are open.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_open(&self) -> Result<u64, StoreError> {
        let open = doc! { "state": Bson::from("open") };
        within(self.deadline, self.documents.count_documents(open)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            topic: "t".into(),
            partition: 3,
            offset: 7,
            timestamp: Some(1),
            key: Some(b"k".to_vec()),
            headers: vec![("ce_id".into(), Some(b"i\nd".to_vec()))],
            value: Some(b"v".to_vec()),
        }
    }

    fn letter(record: Record) -> DeadLetter {
        DeadLetter::new(record, "not-json", "no".into(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_same_record_has_the_same_id_and_any_difference_another() {
        let id = record().dead_letter_id();
        assert_eq!(id, record().dead_letter_id());
        let mut others = Vec::new();
        others.push(Record { topic: "u".into(), ..record() });
        others.push(Record { partition: 4, ..record() });
        others.push(Record { offset: 8, ..record() });
        others.push(Record { timestamp: Some(2), ..record() });
        others.push(Record { timestamp: None, ..record() });
        others.push(Record { value: Some(b"w".to_vec()), ..record() });
        others.push(Record { value: None, ..record() });
        for other in others {
            assert_ne!(other.dead_letter_id(), id, "{other:?}");
        }
    }

    #[test]
    fn a_letter_survives_its_way_through_bson() {
        let letter = letter(record());
        let document = bson::serialize_to_document(&letter).unwrap();
        assert_eq!(document.get_str("eventId").unwrap(), "id");
        assert_eq!(bson::deserialize_from_document::<DeadLetter>(document).unwrap(), letter);
    }

    #[test]
    fn a_record_that_no_document_can_hold_is_kept_without_its_contents() {
        let large = Record { value: Some(vec![0; MAX_KEPT + 1]), ..record() };
        let id = large.dead_letter_id();
        let letter = letter(large);
        assert!(!letter.contents_kept && letter.value.is_none() && letter.headers.is_empty());
        assert_eq!(letter.id, id);
        assert!(bson::serialize_to_vec(&letter).unwrap().len() < 1_000);
    }
}
