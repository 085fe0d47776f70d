//! Operations on all users: inserts many in one command, and reads all in the order of their ids.

use std::time::Duration;

use bson::{Bson, Document, Uuid, doc};
use futures_util::TryStreamExt;
use mongodb::Collection;
use serde::Deserialize;
use service_kit::mongo::{StoreError, duplicate_positions, with_deadline};

use super::{
    collection::CollectionHandle,
    user_document::{ImportedFrom, UserRecord},
};

/// The deadline of a bulk operation: a thousand inserts, or a page of an export, take longer than other operations.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// The collection `users`, for bulk operations, and the collections of their progress.
#[derive(Clone)]
pub struct BulkStore {
    pub(super) users: Collection<UserRecord>,
    pub(super) imports: CollectionHandle,
    pub(super) snapshots: CollectionHandle,
}

/// An account that already has an id or a key of the accounts to be imported.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyHolder {
    #[serde(rename = "_id")]
    pub id: Uuid,
    #[serde(default)]
    pub email_keys: Vec<String>,
    #[serde(default)]
    pub username_key: String,
    /// The keys of the current username and of the reserved ones.
    #[serde(default)]
    pub username_keys: Vec<String>,
    #[serde(default)]
    pub imported: Option<ImportedFrom>,
}

impl BulkStore {
    pub(super) fn new(users: &CollectionHandle, imports: CollectionHandle, snapshots: CollectionHandle) -> Self {
        Self { users: users.collection.clone_with_type(), imports, snapshots }
    }

    /// Inserts the accounts, and returns the positions of those that were refused because a key is taken. May
    /// be repeated after an error: accounts that were inserted before are then refused.
    pub async fn insert(&self, users: &[&UserRecord]) -> Result<Vec<usize>, StoreError> {
        match tokio::time::timeout(DEADLINE, self.users.insert_many(users.iter().copied()).ordered(false)).await {
            Ok(Ok(_)) => Ok(Vec::new()),
            Ok(Err(error)) => duplicate_positions(&error).ok_or_else(|| error.into()),
            Err(_) => Err(StoreError::Timeout),
        }
    }

    /// Returns the accounts that have one of these ids or keys. Tombstones are found only by their ids.
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
        with_deadline(DEADLINE, async {
            let users = self.users.clone_with_type::<KeyHolder>();
            users.find(doc! { "$or": any.to_vec() }).projection(shown).await?.try_collect().await
        })
        .await
    }

    /// Returns the next accounts in the order of their ids. Excludes tombstones, and registrations that have
    /// claimed no username because their email address is not verified.
    pub async fn page(&self, after: Option<uuid::Uuid>, limit: i64) -> Result<Vec<UserRecord>, StoreError> {
        let filter = accounts_after(after.map(Uuid::from));
        let shown = doc! { "pendingEvents": 0, "tokens": 0, "usedTokens": 0 };
        with_deadline(DEADLINE, async {
            let found = self.users.find(filter).projection(shown).sort(doc! { "_id": 1 }).limit(limit);
            found.await?.try_collect().await
        })
        .await
    }
}

/// Returns the filter for the accounts after this id, without tombstones and unverified hidden registrations.
pub(super) fn accounts_after(after: Option<Uuid>) -> Document {
    let mut filter = doc! { "deletedAt": { "$exists": false }, "unclaimed": { "$exists": false } };
    if let Some(after) = after {
        filter.insert("_id", doc! { "$gt": after });
    }
    filter
}
