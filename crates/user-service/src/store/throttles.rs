//! The throttles: one row for each key, judged and charged in one update by the
//! database's clock, so that all replicas see the same.
//!
//! A row that is lost costs an attacker's wait and nothing else, so its writes do not
//! wait for the journal or a majority.

use std::time::Duration;

use bson::{Bson, DateTime, Document, doc};
use mongodb::options::{Acknowledgment, CollectionOptions, ReturnDocument, WriteConcern};
use serde::Deserialize;
use service_kit::mongo::{StoreError, WorkerCollection, with_deadline};

use super::{Handle, SCHEMA_VERSION, binary, unfit};

/// Two upserts of one key at once: the one that lost is tried again.
const TRIES: usize = 3;
/// Doubling ends here, whatever the longest wait is.
const DOUBLINGS: i32 = 40;

/// A row's id: keyed hashes only. All rows of one subject share the first half, so they
/// can be removed together by a range of ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThrottleKey {
    pub subject: [u8; 16],
    /// Zeros for the subject as a whole.
    pub part: [u8; 16],
}

impl ThrottleKey {
    fn id(&self) -> Bson {
        Bson::from(binary(&[self.subject, self.part].concat()))
    }
}

/// When a row holds.
#[derive(Debug, Clone, Copy)]
pub enum ThrottleRule {
    /// From charge number `free` on each is followed by a wait: `first`, doubled each
    /// time, at most `longest`. One charge is forgotten in `longest`.
    Backoff { free: u32, first: Duration, longest: Duration },
    /// At most `quota` at once, and as many again in each `window`.
    Rate { quota: u32, window: Duration },
}

impl ThrottleRule {
    /// The time in which one charge is forgotten; at least a millisecond.
    #[must_use]
    pub fn forgets_one_in(&self) -> Duration {
        let time = match self {
            Self::Backoff { longest, .. } => *longest,
            Self::Rate { quota, window } => *window / (*quota).max(1),
        };
        time.max(Duration::from_millis(1))
    }

    /// So many charges are without consequence.
    #[must_use]
    pub fn quota(&self) -> u32 {
        match self {
            Self::Backoff { free, .. } => *free,
            Self::Rate { quota, .. } => *quota,
        }
    }
}

/// A row after it was asked.
#[derive(Debug, Clone, Copy)]
pub struct Throttled {
    /// Refused, and not charged.
    pub held: bool,
    /// Charges that are not forgotten yet.
    pub level: f64,
    /// Until the next one is let in; zero if it would be now.
    pub wait: Duration,
    /// The database's clock.
    pub now: jiff::Timestamp,
}

#[derive(Deserialize)]
struct Row {
    held: bool,
    level: f64,
    at: DateTime,
    until: Option<DateTime>,
}

/// The collection `throttles`.
#[derive(Clone)]
pub struct ThrottleStore {
    collection: WorkerCollection<Document>,
    deadline: Duration,
}

impl ThrottleStore {
    pub(super) fn new(handle: &Handle, database: &mongodb::Database) -> Self {
        let concern = WriteConcern::builder().w(Acknowledgment::Nodes(1)).journal(false).build();
        let options = CollectionOptions::builder().write_concern(concern).build();
        let collection = WorkerCollection::new(database, handle.collection.name(), options);
        Self { collection, deadline: handle.deadline }
    }

    /// Charges the row by one, unless it holds.
    pub async fn charge(&self, key: ThrottleKey, rule: ThrottleRule) -> Result<Throttled, StoreError> {
        self.update(key, rule, 1).await
    }

    /// Does all that a charge does, and charges nothing: as much work.
    pub async fn look(&self, key: ThrottleKey, rule: ThrottleRule) -> Result<Throttled, StoreError> {
        self.update(key, rule, 0).await
    }

    /// Takes one charge back, and the wait that it caused.
    pub async fn take_back(&self, key: ThrottleKey) -> Result<(), StoreError> {
        let less = doc! { "$max": [0.0, { "$subtract": ["$level", 1.0] }] };
        let update = vec![doc! { "$set": { "level": less, "until": "$$REMOVE" } }];
        with_deadline(self.deadline, self.collection.update_one(doc! { "_id": key.id() }, update)).await?;
        Ok(())
    }

    /// Forgets one row.
    pub async fn forget(&self, key: ThrottleKey) -> Result<(), StoreError> {
        with_deadline(self.deadline, self.collection.delete_one(doc! { "_id": key.id() })).await?;
        Ok(())
    }

    /// Forgets every row of a subject; how many there were.
    pub async fn forget_subject(&self, subject: [u8; 16]) -> Result<u64, StoreError> {
        let filter = doc! { "_id": of_subject(subject) };
        Ok(with_deadline(self.deadline, self.collection.delete_many(filter)).await?.deleted_count)
    }

    /// Writes a mark that counts nothing and lives for `lives`, by the database's clock.
    pub async fn mark(&self, key: ThrottleKey, epoch: i64, lives: Duration) -> Result<(), StoreError> {
        let expires = doc! { "$add": ["$$NOW", millis(lives)] };
        let fields = doc! { "schemaVersion": SCHEMA_VERSION, "epoch": epoch, "level": 0.0, "at": "$$NOW" };
        let marks = vec![doc! { "$set": fields }, doc! { "$set": { "expiresAt": expires } }];
        let update = self.collection.update_one(doc! { "_id": key.id() }, marks).upsert(true);
        with_deadline(self.deadline, update).await?;
        Ok(())
    }

    /// Returns whether the subject has a living mark of this epoch, or the mark `kept`; `without` does not count.
    pub async fn is_marked(
        &self,
        subject: [u8; 16],
        epoch: i64,
        kept: Option<ThrottleKey>,
        without: Option<ThrottleKey>,
    ) -> Result<bool, StoreError> {
        let mut counts = vec![doc! { "epoch": epoch }];
        counts.extend(kept.map(|key| doc! { "_id": key.id() }));
        let mut all = vec![doc! { "_id": of_subject(subject) }, doc! { "$or": counts }];
        all.extend(without.map(|key| doc! { "_id": { "$ne": key.id() } }));
        let filter = doc! { "$and": all, "$expr": { "$lt": ["$$NOW", "$expiresAt"] } };
        Ok(with_deadline(self.deadline, self.collection.find_one(filter)).await?.is_some())
    }

    async fn update(&self, key: ThrottleKey, rule: ThrottleRule, by: i32) -> Result<Throttled, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let updated = self
                .collection
                .find_one_and_update(doc! { "_id": key.id() }, pipeline(rule, by))
                .upsert(true)
                .return_document(ReturnDocument::After);
            match with_deadline(self.deadline, updated).await {
                Ok(document) => return judged(document.unwrap_or_default(), rule),
                Err(StoreError::DuplicateKey { .. }) if tries < TRIES => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Returns the range of the ids of all rows of a subject.
fn of_subject(subject: [u8; 16]) -> Document {
    let id = |part| ThrottleKey { subject, part }.id();
    doc! { "$gte": id([0; 16]), "$lte": id([0xff; 16]) }
}

fn judged(document: Document, rule: ThrottleRule) -> Result<Throttled, StoreError> {
    let row: Row = bson::deserialize_from_document(document).map_err(unfit)?;
    let now = row.at.to_jiff();
    let wait = match rule {
        ThrottleRule::Backoff { .. } => {
            row.until.map_or(Duration::ZERO, |until| until.to_jiff().duration_since(now).try_into().unwrap_or_default())
        }
        ThrottleRule::Rate { quota, .. } => {
            rule.forgets_one_in().mul_f64((row.level + 1.0 - f64::from(quota)).max(0.0))
        }
    };
    Ok(Throttled { held: row.held, level: row.level, wait, now })
}

fn pipeline(rule: ThrottleRule, by: i32) -> Vec<Document> {
    let forgets = millis(rule.forgets_one_in());
    // The clock of another primary may be behind.
    let elapsed = doc! { "$max": [0, { "$subtract": ["$$NOW", { "$ifNull": ["$at", "$$NOW"] }] }] };
    let forgotten = doc! { "$divide": [elapsed, forgets] };
    let level = doc! { "$max": [0.0, { "$subtract": [{ "$ifNull": ["$level", 0.0] }, forgotten] }] };
    let held = match rule {
        ThrottleRule::Backoff { .. } => {
            doc! { "$gt": [{ "$ifNull": ["$until", DateTime::from_millis(0)] }, "$$NOW"] }
        }
        ThrottleRule::Rate { quota, .. } => doc! { "$gt": [{ "$add": ["$level", 1.0] }, f64::from(quota)] },
    };
    let charged = doc! { "$cond": ["$held", "$level", { "$add": ["$level", f64::from(by)] }] };
    let mut stages = vec![
        doc! { "$set": { "level": level } },
        doc! { "$set": { "held": held } },
        doc! { "$set": { "schemaVersion": SCHEMA_VERSION, "level": charged, "at": "$$NOW" } },
    ];
    if let (ThrottleRule::Backoff { free, first, longest }, true) = (rule, by > 0) {
        let step = doc! { "$ceil": { "$subtract": ["$level", f64::from(free) - 1.0] } };
        let doubled = doc! { "$pow": [2.0, { "$min": [{ "$subtract": [&step, 1.0] }, DOUBLINGS] }] };
        let wait = doc! { "$min": [millis(longest), { "$multiply": [millis(first), doubled] }] };
        stages.push(doc! { "$set": { "until": { "$switch": {
            "branches": [
                { "case": "$held", "then": "$until" },
                { "case": { "$gt": [step, 0.0] }, "then": { "$add": ["$$NOW", wait] } },
            ],
            "default": "$$REMOVE",
        } } } });
    }
    // From then on the row says what no row says.
    let all_forgotten = doc! { "$add": ["$$NOW", { "$multiply": ["$level", forgets] }] };
    stages.push(doc! { "$set": { "expiresAt": { "$max": [all_forgotten, "$until"] } } });
    stages
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
