//! All users at once: many inserted in one command, all read in order; and how far an
//! import has come.

use std::time::Duration;

use bson::{Bson, DateTime, Document, Uuid, doc};
use futures_util::TryStreamExt;
use mongodb::{Collection, options::ReturnDocument};
use serde::{Deserialize, Serialize};
use service_kit::mongo::{StoreError, duplicates_in, within};

use super::{CollectionHandle, SCHEMA_VERSION, bson_error, user_document::*};

/// A thousand inserts, or a page of an export, take longer than one operation.
const DEADLINE: Duration = Duration::from_secs(60);

/// `users` in bulk, and the collection `imports`.
#[derive(Clone)]
pub struct BulkStore {
    users: Collection<UserRecord>,
    imports: CollectionHandle,
}

/// How far an import has come: one document for each file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportProgress {
    /// The first half of the file's SHA-256, in hexadecimal digits.
    #[serde(rename = "_id")]
    pub id: String,
    pub schema_version: i32,
    /// Of the file, in bytes.
    pub size: i64,
    /// Whether those who are imported get a welcome mail.
    pub welcome: bool,
    /// Everything up to this line, and this byte, is decided.
    pub lines: i64,
    pub bytes: i64,
    /// Of those lines: how many are accounts now, and how many were refused.
    pub imported: i64,
    pub refused: i64,
    pub started_at: DateTime,
    pub updated_at: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime>,
}

/// Somebody who has a key already.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyHolder {
    #[serde(rename = "_id")]
    pub id: Uuid,
    #[serde(default)]
    pub email_keys: Vec<String>,
    #[serde(default)]
    pub username_key: String,
    /// With the reserved ones.
    #[serde(default)]
    pub username_keys: Vec<String>,
    #[serde(default)]
    pub imported: Option<ImportedFrom>,
}

impl BulkStore {
    pub(super) fn new(users: &CollectionHandle, imports: CollectionHandle) -> Self {
        Self { users: users.collection.clone_with_type(), imports }
    }

    /// Inserts all that can be inserted, and tells the places of those that were refused
    /// because a key is taken. May be repeated after an error: who is there already is
    /// refused then.
    pub async fn insert(&self, users: &[UserRecord]) -> Result<Vec<usize>, StoreError> {
        match tokio::time::timeout(DEADLINE, self.users.insert_many(users).ordered(false)).await {
            Ok(Ok(_)) => Ok(Vec::new()),
            Ok(Err(error)) => duplicates_in(&error).ok_or_else(|| error.into()),
            Err(_) => Err(StoreError::Timeout),
        }
    }

    /// Those who have one of these ids or keys; tombstones by their ids.
    pub async fn key_holders(&self, users: &[&UserRecord]) -> Result<Vec<KeyHolder>, StoreError> {
        let ids: Vec<Bson> = users.iter().map(|user| user.id.into()).collect();
        let emails: Vec<&str> = users.iter().flat_map(|user| &user.email_keys).map(String::as_str).collect();
        let names: Vec<&str> = users.iter().map(|user| user.username_key.as_str()).collect();
        let any = [
            doc! { "_id": { "$in": ids } },
            doc! { "emailKeys": { "$in": emails } },
            doc! { "usernameKey": { "$in": &names } },
            doc! { "usernameKeys": { "$in": &names } },
        ];
        let shown = doc! { "emailKeys": 1, "usernameKey": 1, "usernameKeys": 1, "imported": 1 };
        within(DEADLINE, async {
            let users = self.users.clone_with_type::<KeyHolder>();
            users.find(doc! { "$or": any.to_vec() }).projection(shown).await?.try_collect().await
        })
        .await
    }

    /// The next accounts in the order of their ids; neither tombstones nor registrations
    /// that wait for the proof of their address and have claimed no username.
    pub async fn page(&self, after: Option<uuid::Uuid>, limit: i64) -> Result<Vec<UserRecord>, StoreError> {
        let mut filter = doc! { "deletedAt": { "$exists": false }, "unclaimed": { "$exists": false } };
        if let Some(after) = after {
            filter.insert("_id", doc! { "$gt": Uuid::from(after) });
        }
        let shown = doc! { "pendingEvents": 0, "tokens": 0, "usedTokens": 0 };
        within(DEADLINE, async {
            let found = self.users.find(filter).projection(shown).sort(doc! { "_id": 1 }).limit(limit);
            found.await?.try_collect().await
        })
        .await
    }

    /// The import of this file, if it was ever begun.
    pub async fn find_import(&self, id: &str) -> Result<Option<ImportProgress>, StoreError> {
        let found = within(DEADLINE, self.imports.collection.find_one(doc! { "_id": id })).await?;
        found.map(|found| bson::deserialize_from_document(found).map_err(bson_error)).transpose()
    }

    /// Notes a beginning: `record` if the file was never begun, what is there otherwise.
    pub async fn begin_import(&self, record: &ImportProgress) -> Result<ImportProgress, StoreError> {
        let new = bson::serialize_to_document(record).map_err(bson_error)?;
        let written = within(DEADLINE, async {
            self.imports
                .collection
                .find_one_and_update(doc! { "_id": &record.id }, doc! { "$setOnInsert": new })
                .upsert(true)
                .return_document(ReturnDocument::After)
                .await
        })
        .await?;
        bson::deserialize_from_document(written.unwrap_or_default()).map_err(bson_error)
    }

    /// Notes how far it has come.
    pub async fn save_import(&self, record: &ImportProgress) -> Result<(), StoreError> {
        let new: Document = bson::serialize_to_document(record).map_err(bson_error)?;
        within(DEADLINE, self.imports.collection.replace_one(doc! { "_id": &record.id }, new).upsert(true)).await?;
        Ok(())
    }
}

impl ImportProgress {
    /// An import that has not begun.
    #[must_use]
    pub fn new(id: String, size: i64, welcome: bool, now: jiff::Timestamp) -> Self {
        Self {
            id,
            schema_version: SCHEMA_VERSION,
            size,
            welcome,
            lines: 0,
            bytes: 0,
            imported: 0,
            refused: 0,
            started_at: now.into(),
            updated_at: now.into(),
            finished_at: None,
        }
    }
}
