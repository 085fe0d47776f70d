//! The stored key set: one document, changed by compare-and-set on its version. All times come from the clock of
//! the database. The same collection has the secret of the session salts, which never changes.
//!
//! Release 0.1.0 knows only the document `signing`, whose keys have no algorithm: they are Ed25519, and it would take
//! any other key for one. The document `signing-keys` names the algorithm of each key. Where it exists, it alone is
//! used, and `signing` stays as it was, for a return to 0.1.0.

use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use mongodb::options::{ReadConcern, ReturnDocument};
use service_kit::mongo::{StoreError, with_deadline};
use zeroize::Zeroizing;

use super::collection::{CollectionHandle, SCHEMA_VERSION, binary};
use crate::domain::{
    SigningAlgorithm,
    key_schedule::{JWKS_MAX_AGE, KeySchedule, PUBLISH_BEFORE_SIGNING},
};

/// The id of the document with the secret of the session salts, which 0.1.0 does not read.
const SESSION_SALTS: &str = "session-salts";

/// The document with a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySetDocument {
    /// The document that release 0.1.0 reads. All keys are Ed25519.
    Signing,
    /// The document whose keys have an algorithm.
    SigningKeys,
}

impl KeySetDocument {
    fn id(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::SigningKeys => "signing-keys",
        }
    }
}

/// A signing key. Its private half is sealed with the key-encryption key.
#[derive(Clone)]
pub struct StoredKey {
    pub kid: String,
    /// `None`: this release does not know the algorithm.
    pub algorithm: Option<SigningAlgorithm>,
    pub sealed: Vec<u8>,
    pub schedule: KeySchedule,
}

/// The key set, oldest key first, and the time of the database when it was read.
pub struct StoredKeySet {
    pub document: KeySetDocument,
    pub version: i64,
    /// The algorithm of the next key. `None`: this release does not know it.
    pub algorithm: Option<SigningAlgorithm>,
    pub keys: Vec<StoredKey>,
    pub now: Timestamp,
}

/// A key that was generated and is not stored yet.
pub struct NewKey {
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    pub sealed: Vec<u8>,
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
        let documents = [KeySetDocument::SigningKeys, KeySetDocument::Signing];
        let ids: Vec<&str> = documents.iter().map(|document| document.id()).collect();
        let pipeline = [doc! { "$match": { "_id": { "$in": ids } } }, doc! { "$set": { "now": "$$NOW" } }];
        let found: Vec<Document> = with_deadline(self.handle.deadline, async {
            let cursor = self.handle.collection.aggregate(pipeline).read_concern(ReadConcern::majority()).await?;
            cursor.try_collect().await
        })
        .await?;
        let stored = |document: KeySetDocument| {
            let stored = found.iter().find(|stored| stored.get_str("_id").is_ok_and(|id| id == document.id()))?;
            Some(key_set(document, stored))
        };
        let set = documents.into_iter().find_map(stored).transpose();
        set.map_err(|error| mongodb::error::Error::custom(error).into())
    }

    /// Returns the secret from which the salts of sessions are derived. Stores `candidate` if there is none.
    pub async fn salt_secret(&self, candidate: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, StoreError> {
        let first = doc! { "$setOnInsert": { "schemaVersion": SCHEMA_VERSION, "secret": binary(candidate) } };
        // A majority write, also if it changes nothing: no election can roll the returned secret back.
        let stored = with_deadline(self.handle.deadline, async {
            let by_id = self.handle.collection.find_one_and_update(doc! { "_id": SESSION_SALTS }, first);
            by_id.upsert(true).return_document(ReturnDocument::After).await
        })
        .await?;
        let secret = stored.as_ref().and_then(|stored| stored.get_binary_generic("secret").ok());
        let secret = secret.and_then(|secret| <[u8; 32]>::try_from(secret.as_slice()).ok());
        let invalid = || mongodb::error::Error::custom("the document session-salts has no secret of 32 bytes");
        Ok(Zeroizing::new(secret.ok_or_else(invalid)?))
    }

    /// Creates `signing-keys` with a key that signs at once. Does nothing if the document exists.
    pub async fn create(&self, key: &NewKey, ttl: SignedDuration) -> Result<(), StoreError> {
        let mut first = key_document(key, ttl);
        first.insert("signFrom", "$$NOW");
        self.insert(key.algorithm, vec![first].into()).await
    }

    /// Creates `signing-keys` with the keys of `signing` and their successor, which starts to sign after it has been
    /// public for long enough. Does nothing if the document exists.
    pub async fn create_from(&self, old: &StoredKeySet, key: &NewKey, ttl: SignedDuration) -> Result<(), StoreError> {
        let copies: Vec<Document> = old.keys.iter().map(copied_key).collect();
        let keys = with_successor(doc! { "$literal": copies }.into(), key_document(key, ttl));
        self.insert(key.algorithm, keys).await
    }

    /// Adds a key that starts to sign after it has been public for long enough. At that time, the key before it
    /// stops signing. Later keys have the algorithm of this one. Does nothing if the key set has changed.
    pub async fn add_successor(&self, set: &StoredKeySet, key: &NewKey, ttl: SignedDuration) -> Result<(), StoreError> {
        let mut successor = key_document(key, ttl);
        let mut change = doc! {};
        match set.document {
            KeySetDocument::Signing => drop(successor.remove("alg")),
            KeySetDocument::SigningKeys => drop(change.insert("algorithm", key.algorithm.name())),
        }
        change.insert("keys", with_successor("$keys".into(), successor));
        self.change(set, change).await
    }

    /// Records that tokens now live longer, so that their keys are kept longer.
    pub async fn raise_longest_ttl(&self, set: &StoredKeySet, ttl: SignedDuration) -> Result<(), StoreError> {
        let longest = doc! { "longestTtlMs": { "$max": ["$$this.longestTtlMs", millis(ttl)] } };
        let keys = doc! { "$map": { "input": "$keys", "in": { "$mergeObjects": ["$$this", longest] } } };
        self.change(set, doc! { "keys": keys }).await
    }

    /// Removes the keys for which no valid token can exist.
    pub async fn prune(&self, set: &StoredKeySet) -> Result<(), StoreError> {
        let margin = millis(JWKS_MAX_AGE + SignedDuration::from_mins(1));
        let end = doc! { "$add": ["$$this.signUntil", "$$this.longestTtlMs", margin] };
        let keep = doc! { "$or": [
            { "$eq": [{ "$type": "$$this.signUntil" }, "missing"] },
            { "$gte": [end, "$$NOW"] },
        ] };
        self.change(set, doc! { "keys": { "$filter": { "input": "$keys", "cond": keep } } }).await
    }

    async fn insert(&self, algorithm: SigningAlgorithm, keys: Bson) -> Result<(), StoreError> {
        let update = vec![doc! { "$set": {
            "schemaVersion": SCHEMA_VERSION, "version": 1_i64, "algorithm": algorithm.name(), "keys": keys,
        } }];
        let filter = doc! { "_id": KeySetDocument::SigningKeys.id(), "version": { "$exists": false } };
        let written = with_deadline(self.handle.deadline, async {
            self.handle.collection.update_one(filter, update).upsert(true).await
        })
        .await;
        match written {
            Ok(_) | Err(StoreError::DuplicateKey { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn change(&self, set: &StoredKeySet, mut change: Document) -> Result<(), StoreError> {
        change.insert("version", set.version + 1);
        let filter = doc! { "_id": set.document.id(), "version": set.version };
        with_deadline(self.handle.deadline, async {
            self.handle.collection.update_one(filter, vec![doc! { "$set": change }]).await
        })
        .await?;
        Ok(())
    }
}

fn millis(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// Returns the expression for `keys` with a successor of the newest one.
fn with_successor(keys: Bson, mut successor: Document) -> Bson {
    let from = doc! { "$add": ["$$NOW", millis(PUBLISH_BEFORE_SIGNING)] };
    successor.insert("signFrom", from.clone());
    let ended = doc! { "$mergeObjects": ["$$this", { "signUntil": from }] };
    let retired = doc! { "$map": { "input": keys, "in": {
        "$cond": [{ "$eq": [{ "$type": "$$this.signUntil" }, "missing"] }, ended, "$$this"],
    } } };
    doc! { "$concatArrays": [retired, [successor]] }.into()
}

/// Returns a new key without the time from which it signs.
fn key_document(key: &NewKey, ttl: SignedDuration) -> Document {
    doc! {
        "kid": &key.kid,
        "alg": key.algorithm.name(),
        "private": binary(&key.sealed),
        "longestTtlMs": millis(ttl),
    }
}

/// Returns a key of `signing` as `signing-keys` stores it.
fn copied_key(key: &StoredKey) -> Document {
    let KeySchedule { sign_from, sign_until, longest_ttl } = key.schedule;
    let mut copy = doc! {
        "kid": &key.kid,
        "alg": SigningAlgorithm::EdDsa.name(),
        "private": binary(&key.sealed),
        "longestTtlMs": millis(longest_ttl),
        "signFrom": bson::DateTime::from(sign_from),
    };
    if let Some(until) = sign_until {
        copy.insert("signUntil", bson::DateTime::from(until));
    }
    copy
}

fn key_set(
    which: KeySetDocument,
    document: &Document,
) -> Result<StoredKeySet, Box<dyn std::error::Error + Send + Sync>> {
    let algorithm = |owner: &Document, member| match which {
        KeySetDocument::Signing => Ok(Some(SigningAlgorithm::EdDsa)),
        KeySetDocument::SigningKeys => owner.get_str(member).map(SigningAlgorithm::from_name),
    };
    let mut keys = Vec::new();
    for key in document.get_array("keys")? {
        let key = key.as_document().ok_or("a key is not a document")?;
        keys.push(StoredKey {
            kid: key.get_str("kid")?.to_owned(),
            algorithm: algorithm(key, "alg")?,
            sealed: key.get_binary_generic("private")?.clone(),
            schedule: KeySchedule {
                sign_from: key.get_datetime("signFrom")?.to_jiff(),
                sign_until: key.get_datetime("signUntil").ok().map(|at| at.to_jiff()),
                longest_ttl: SignedDuration::from_millis(key.get_i64("longestTtlMs")?),
            },
        });
    }
    let (version, now) = (document.get_i64("version")?, document.get_datetime("now")?.to_jiff());
    Ok(StoredKeySet { document: which, version, algorithm: algorithm(document, "algorithm")?, keys, now })
}
