//! The rate limits: one row for each key. A single update decides and charges, by the clock of the database, so
//! that all replicas have the same state. The rows of attempts are in `attempts.rs`.
//!
//! The loss of a row only spares an attacker a wait. Therefore the writes wait neither for the journal nor for a
//! majority.

use std::time::Duration;

use bson::{Bson, DateTime, Document, doc};
use mongodb::options::{Acknowledgment, CollectionOptions, ReturnDocument, WriteConcern};
use serde::Deserialize;
use service_kit::mongo::{StoreError, WorkerCollection, with_deadline};

use super::collection::{CollectionHandle, SCHEMA_VERSION, binary, bson_error};

/// The maximum number of attempts of an upsert. Of two concurrent upserts of one key, one fails.
const MAX_ATTEMPTS: usize = 3;

/// The id of a row, which consists of keyed hashes. All rows of one subject have the same first half, so that a
/// range of ids deletes them together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ThrottleKey {
    pub subject: [u8; 16],
    /// Zeros for the subject as a whole.
    pub part: [u8; 16],
}

impl ThrottleKey {
    /// Returns the key of the subject as a whole.
    #[must_use]
    pub const fn of_subject(subject: [u8; 16]) -> Self {
        Self { subject, part: [0; 16] }
    }

    pub(super) fn id(&self) -> Bson {
        Bson::from(binary(&[self.subject, self.part].concat()))
    }
}

/// The rule of failed attempts: from charge number `free` on, each charge is followed by a wait: `first`, doubled each
/// time, at most `longest`. One charge decays in the time `longest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Backoff {
    pub free: u32,
    pub first: Duration,
    pub longest: Duration,
}

/// The rule that decides when a row refuses a charge.
#[derive(Debug, Clone, Copy)]
pub enum ThrottleRule {
    Backoff(Backoff),
    /// At most `quota` charges at once, and the same number again in each `window`.
    Rate {
        quota: u32,
        window: Duration,
    },
}

impl ThrottleRule {
    /// Returns the time in which one charge decays; at least a millisecond.
    #[must_use]
    pub fn decay_interval(&self) -> Duration {
        let time = match self {
            Self::Backoff(backoff) => backoff.longest,
            Self::Rate { quota, window } => *window / (*quota).max(1),
        };
        time.max(Duration::from_millis(1))
    }

    /// Returns the number of charges that have no consequence.
    #[must_use]
    pub fn quota(&self) -> u32 {
        match self {
            Self::Backoff(backoff) => backoff.free,
            Self::Rate { quota, .. } => *quota,
        }
    }
}

/// The state of a row after an update.
#[derive(Debug, Clone, Copy)]
pub struct ThrottleState {
    /// Whether the charge was refused. A refused charge is not counted.
    pub refused: bool,
    /// The number of charges that have not decayed.
    pub level: f64,
    /// The time until the next charge is accepted; zero if it would be accepted now.
    pub wait: Duration,
    /// The time of the clock of the database.
    pub now: jiff::Timestamp,
}

#[derive(Deserialize)]
struct Row {
    held: bool,
    level: f64,
    at: DateTime,
}

#[derive(Deserialize)]
struct Granted {
    granted: u32,
}

/// The collection `throttles`.
#[derive(Clone)]
pub struct ThrottleStore {
    pub(super) collection: WorkerCollection<Document>,
    pub(super) deadline: Duration,
}

impl ThrottleStore {
    pub(super) fn new(handle: &CollectionHandle, database: &mongodb::Database) -> Self {
        let concern = WriteConcern::builder().w(Acknowledgment::Nodes(1)).journal(false).build();
        let options = CollectionOptions::builder().write_concern(concern).build();
        let collection = WorkerCollection::new(database, handle.collection.name(), options);
        Self { collection, deadline: handle.deadline }
    }

    /// Charges the row of a quota by one, unless it refuses the charge.
    pub async fn charge(&self, key: ThrottleKey, rule: ThrottleRule) -> Result<ThrottleState, StoreError> {
        Ok(self.charge_up_to(key, rule, 1).await?.1)
    }

    /// Charges the row by at most `wanted` requests: by as many as its quota has left, by the clock of the database.
    /// Returns the number of charged requests, and the state after them.
    pub async fn charge_up_to(
        &self,
        key: ThrottleKey,
        rule: ThrottleRule,
        wanted: u32,
    ) -> Result<(u32, ThrottleState), StoreError> {
        let document = retry_upsert(|| {
            let update = self
                .collection
                .find_one_and_update(doc! { "_id": key.id() }, charge_pipeline(rule, wanted))
                .upsert(true)
                .return_document(ReturnDocument::After);
            with_deadline(self.deadline, update)
        })
        .await?
        .unwrap_or_default();
        let Granted { granted } = bson::deserialize_from_document(document.clone()).map_err(bson_error)?;
        Ok((granted, state_after(document, rule)?))
    }

    /// Takes back one charge of a quota.
    pub async fn refund(&self, key: ThrottleKey) -> Result<(), StoreError> {
        let update = vec![doc! { "$set": { "level": { "$max": [0.0, { "$subtract": ["$level", 1.0] }] } } }];
        with_deadline(self.deadline, self.collection.update_one(doc! { "_id": key.id() }, update)).await?;
        Ok(())
    }

    /// Writes a mark, which counts no charges and expires after `lifetime` by the clock of the database.
    pub async fn mark(&self, key: ThrottleKey, epoch: i64, lifetime: Duration) -> Result<(), StoreError> {
        let expires = doc! { "$add": ["$$NOW", millis(lifetime)] };
        let fields = doc! { "schemaVersion": SCHEMA_VERSION, "epoch": epoch, "level": 0.0, "at": "$$NOW" };
        let marks = vec![doc! { "$set": fields }, doc! { "$set": { "expiresAt": expires } }];
        let update = self.collection.update_one(doc! { "_id": key.id() }, marks).upsert(true);
        with_deadline(self.deadline, update).await?;
        Ok(())
    }

    /// Returns whether the subject has an unexpired mark of this epoch, or the mark `or_mark`. The mark
    /// `except` does not count.
    pub async fn is_marked(
        &self,
        subject: [u8; 16],
        epoch: i64,
        or_mark: Option<ThrottleKey>,
        except: Option<ThrottleKey>,
    ) -> Result<bool, StoreError> {
        let mut counts = vec![doc! { "epoch": epoch }];
        counts.extend(or_mark.map(|key| doc! { "_id": key.id() }));
        let mut all = vec![doc! { "_id": subject_range(subject) }, doc! { "$or": counts }];
        all.extend(except.map(|key| doc! { "_id": { "$ne": key.id() } }));
        let filter = doc! { "$and": all, "$expr": { "$lt": ["$$NOW", "$expiresAt"] } };
        Ok(with_deadline(self.deadline, self.collection.find_one(filter)).await?.is_some())
    }
}

/// Repeats an upsert that another upsert of the same key has forestalled.
pub(super) async fn retry_upsert<T, F>(mut upsert: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut attempts = 0;
    loop {
        attempts += 1;
        match upsert().await {
            Err(StoreError::DuplicateKey { .. }) if attempts < MAX_ATTEMPTS => {}
            result => return result,
        }
    }
}

/// Returns the range of the ids of all rows of a subject.
pub(super) fn subject_range(subject: [u8; 16]) -> Document {
    let id = |part| ThrottleKey { subject, part }.id();
    doc! { "$gte": id([0; 16]), "$lte": id([0xff; 16]) }
}

fn state_after(document: Document, rule: ThrottleRule) -> Result<ThrottleState, StoreError> {
    let row: Row = bson::deserialize_from_document(document).map_err(bson_error)?;
    let wait = rule.decay_interval().mul_f64((row.level + 1.0 - f64::from(rule.quota())).max(0.0));
    Ok(ThrottleState { refused: row.held, level: row.level, wait, now: row.at.to_jiff() })
}

/// Returns the expression of the level that has not decayed.
fn decayed_level(decay: f64) -> Document {
    // After a failover, the clock of the new primary may be behind.
    let elapsed = doc! { "$max": [0, { "$subtract": ["$$NOW", { "$ifNull": ["$at", "$$NOW"] }] }] };
    let decayed = doc! { "$divide": [elapsed, decay] };
    doc! { "$max": [0.0, { "$subtract": [{ "$ifNull": ["$level", 0.0] }, decayed] }] }
}

/// Returns the update that charges at most `wanted` requests to a quota.
fn charge_pipeline(rule: ThrottleRule, wanted: u32) -> Vec<Document> {
    let decay = millis(rule.decay_interval());
    let left = doc! { "$floor": { "$subtract": [f64::from(rule.quota()), "$level"] } };
    let granted = doc! { "$toInt": { "$max": [0.0, { "$min": [f64::from(wanted), left] }] } };
    let level = doc! { "$add": ["$level", "$granted"] };
    let fields = doc! {
        "schemaVersion": SCHEMA_VERSION, "held": { "$lt": ["$granted", 1] }, "level": level, "at": "$$NOW",
    };
    let all_decayed = doc! { "$add": ["$$NOW", { "$multiply": ["$level", decay] }] };
    vec![
        doc! { "$set": { "level": decayed_level(decay) } },
        doc! { "$set": { "granted": granted } },
        doc! { "$set": fields },
        doc! { "$set": { "expiresAt": all_decayed } },
    ]
}

pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
