//! The stored key set: one document, changed by compare-and-set on its version. All times come from the clock of
//! the database.

use bson::{Document, doc};
use futures_util::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use mongodb::options::ReadConcern;
use service_kit::mongo::{StoreError, with_deadline};

use super::collection::{CollectionHandle, SCHEMA_VERSION, binary};
use crate::domain::key_schedule::{JWKS_MAX_AGE, KeySchedule, PUBLISH_BEFORE_SIGNING};

const ID: &str = "signing";

/// A signing key. Its private half is sealed with the key-encryption key.
pub struct StoredKey {
    pub kid: String,
    pub sealed: Vec<u8>,
    pub schedule: KeySchedule,
}

/// The key set, oldest key first, and the time of the database when it was read.
pub struct StoredKeySet {
    pub version: i64,
    pub keys: Vec<StoredKey>,
    pub now: Timestamp,
}

/// The collection `keys`.
#[derive(Clone)]
pub struct KeyStore {
    handle: CollectionHandle,
}

impl KeyStore {
    pub(super) fn new(handle: CollectionHandle) -> Self {
        Self { handle }
    }

    /// Returns the key set, or `None` before the first start.
    pub async fn read(&self) -> Result<Option<StoredKeySet>, StoreError> {
        let pipeline = [doc! { "$match": { "_id": ID } }, doc! { "$set": { "now": "$$NOW" } }];
        let found: Vec<Document> = with_deadline(self.handle.deadline, async {
            let cursor = self.handle.collection.aggregate(pipeline).read_concern(ReadConcern::majority()).await?;
            cursor.try_collect().await
        })
        .await?;
        found.first().map(key_set).transpose().map_err(|error| mongodb::error::Error::custom(error).into())
    }

    /// Creates the key set with its first key, which signs at once. Does nothing if there is a key set.
    pub async fn create_first(&self, key: &StoredKey, ttl: SignedDuration) -> Result<(), StoreError> {
        let mut document = key_document(key, ttl);
        document.insert("signFrom", "$$NOW");
        let update = vec![doc! { "$set": { "schemaVersion": SCHEMA_VERSION, "version": 1_i64, "keys": [document] } }];
        let filter = doc! { "_id": ID, "version": { "$exists": false } };
        let written = with_deadline(self.handle.deadline, async {
            self.handle.collection.update_one(filter, update).upsert(true).await
        })
        .await;
        match written {
            Ok(_) | Err(StoreError::DuplicateKey { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Adds a key that starts to sign after it has been public for long enough. At that time, the key before it
    /// stops signing. Does nothing if the key set has changed.
    pub async fn add_successor(&self, version: i64, key: &StoredKey, ttl: SignedDuration) -> Result<(), StoreError> {
        let from = doc! { "$add": ["$$NOW", millis(PUBLISH_BEFORE_SIGNING)] };
        let mut document = key_document(key, ttl);
        document.insert("signFrom", from.clone());
        let ended = doc! { "$mergeObjects": ["$$this", { "signUntil": from }] };
        let retired = doc! { "$map": { "input": "$keys", "in": {
            "$cond": [{ "$eq": [{ "$type": "$$this.signUntil" }, "missing"] }, ended, "$$this"],
        } } };
        self.change(version, doc! { "keys": { "$concatArrays": [retired, [document]] } }).await
    }

    /// Records that tokens now live longer, so that their keys are kept longer.
    pub async fn raise_longest_ttl(&self, version: i64, ttl: SignedDuration) -> Result<(), StoreError> {
        let longest = doc! { "longestTtlMs": { "$max": ["$$this.longestTtlMs", millis(ttl)] } };
        let keys = doc! { "$map": { "input": "$keys", "in": { "$mergeObjects": ["$$this", longest] } } };
        self.change(version, doc! { "keys": keys }).await
    }

    /// Removes the keys for which no valid token can exist.
    pub async fn prune(&self, version: i64) -> Result<(), StoreError> {
        let margin = millis(JWKS_MAX_AGE + SignedDuration::from_mins(1));
        let end = doc! { "$add": ["$$this.signUntil", "$$this.longestTtlMs", margin] };
        let keep = doc! { "$or": [
            { "$eq": [{ "$type": "$$this.signUntil" }, "missing"] },
            { "$gte": [end, "$$NOW"] },
        ] };
        self.change(version, doc! { "keys": { "$filter": { "input": "$keys", "cond": keep } } }).await
    }

    async fn change(&self, version: i64, mut set: Document) -> Result<(), StoreError> {
        set.insert("version", version + 1);
        let filter = doc! { "_id": ID, "version": version };
        with_deadline(self.handle.deadline, async {
            self.handle.collection.update_one(filter, vec![doc! { "$set": set }]).await
        })
        .await?;
        Ok(())
    }
}

fn millis(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

fn key_document(key: &StoredKey, ttl: SignedDuration) -> Document {
    doc! { "kid": &key.kid, "private": binary(&key.sealed), "longestTtlMs": millis(ttl) }
}

fn key_set(document: &Document) -> Result<StoredKeySet, Box<dyn std::error::Error + Send + Sync>> {
    let mut keys = Vec::new();
    for key in document.get_array("keys")? {
        let key = key.as_document().ok_or("a key is not a document")?;
        keys.push(StoredKey {
            kid: key.get_str("kid")?.to_owned(),
            sealed: key.get_binary_generic("private")?.clone(),
            schedule: KeySchedule {
                sign_from: key.get_datetime("signFrom")?.to_jiff(),
                sign_until: key.get_datetime("signUntil").ok().map(|at| at.to_jiff()),
                longest_ttl: SignedDuration::from_millis(key.get_i64("longestTtlMs")?),
            },
        });
    }
    Ok(StoredKeySet { version: document.get_i64("version")?, keys, now: document.get_datetime("now")?.to_jiff() })
}
