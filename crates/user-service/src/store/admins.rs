//! The list of admins: one document with their ids. The last id is never removed from it, even when two admins lose
//! the role at the same moment.
//!
//! Two invariants always hold. Every id in the document belongs to an admin (an active account with the role). Once
//! non-empty, the list never becomes empty again. Therefore:
//!
//! - An account that stops being an admin is first removed from the document, which requires another id in it. Then
//!   the account is written, and the precondition is the version that was read *before* the removal.
//! - An account that becomes an admin is written first, and its id is added afterwards, unless an id has been
//!   removed since *before* that write. The field `departures` counts the removals for this.
//!
//! A removal that is overtaken by such a write finds another version and decides again. So a late write cannot
//! leave the id of an account without the role in the document. The opposite, an admin who is not in the document,
//! is what a crash between two steps leaves behind. It takes away no rights, but the removal of another admin may
//! be refused because of it. [`AdminStore::ensure_listed`] repairs it.

use bson::{Bson, Document, Uuid, doc};
use futures_util::TryStreamExt;
use service_kit::mongo::{StoreError, with_deadline};

use super::{
    collection::{CollectionHandle, SCHEMA_VERSION, bson_error},
    conditional_write::{Change, Commit, Precondition},
    user_document::UserRecord,
    users::UserStore,
};

const ID: &str = "admins";
/// The maximum number of attempts to add an id while other ids are removed.
const MAX_ATTEMPTS: usize = 20;
/// The maximum number of unlisted admins that are read in one round.
const BATCH: i64 = 100;

/// The outcome of a removal from the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminRemoval {
    /// The id is not in the document, and another id is.
    Removed,
    /// No other id is in the document. Nothing was changed.
    LastAdmin,
}

/// The number of removals, read before the write of an account whose id is to be added.
#[derive(Debug, Clone, Copy)]
pub struct RemovalCount {
    departures: i64,
}

/// The collection `admins`.
#[derive(Clone)]
pub struct AdminStore {
    handle: CollectionHandle,
    users: UserStore,
}

impl AdminStore {
    pub(super) fn new(handle: CollectionHandle, users: UserStore) -> Self {
        Self { handle, users }
    }

    /// Removes the id from the document if another id is in it. The caller has read the account before, and
    /// writes it afterwards with that version as its precondition.
    pub async fn remove_unless_last(&self, id: uuid::Uuid) -> Result<AdminRemoval, StoreError> {
        let id = Uuid::from(id);
        let filter = doc! { "_id": ID, "ids": { "$elemMatch": { "$ne": id } } };
        let update = doc! { "$pull": { "ids": id }, "$inc": { "departures": 1_i64 } };
        let result =
            with_deadline(self.handle.deadline, async { self.handle.collection.update_one(filter, update).await });
        Ok(if result.await?.matched_count == 1 { AdminRemoval::Removed } else { AdminRemoval::LastAdmin })
    }

    /// Returns the number of removals. It must be read before the write that makes an account an admin.
    pub async fn removal_count(&self) -> Result<RemovalCount, StoreError> {
        if let Some(found) = self.read().await? {
            return removal_count_of(&found);
        }
        let first = doc! { "_id": ID, "schemaVersion": SCHEMA_VERSION, "ids": [], "departures": 0_i64 };
        match with_deadline(self.handle.deadline, self.handle.collection.insert_one(first)).await {
            // Another process has inserted the document at the same time.
            Ok(_) | Err(StoreError::DuplicateKey { .. }) => {}
            Err(error) => return Err(error),
        }
        let found = self
            .read()
            .await?
            .ok_or_else(|| StoreError::from(mongodb::error::Error::custom("the list of admins does not exist")))?;
        removal_count_of(&found)
    }

    /// Adds the id of an account that was made an admin after `removal_count` was read. If an id has been
    /// removed since then, the account is read again.
    pub async fn add(&self, id: uuid::Uuid, removal_count: RemovalCount) -> Result<(), StoreError> {
        if self.add_if_unchanged(id, removal_count).await? { Ok(()) } else { self.ensure_listed(id).await.map(|_| ()) }
    }

    /// Adds the id of an admin who is not in the document, and returns whether the account is an admin. It
    /// raises the version of the account, which stops a removal that is in progress.
    pub async fn ensure_listed(&self, id: uuid::Uuid) -> Result<bool, StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let removal_count = self.removal_count().await?;
            let Some(user) = self.users.by_id(id).await?.filter(UserRecord::is_admin) else { return Ok(false) };
            if self.is_listed(id).await? {
                return Ok(true);
            }
            let touch = Change { events_optional: true, ..Change::default() };
            let touched = self.users.commit(id, Precondition::Version(user.version), touch).await?;
            if matches!(touched, Commit::Done(_)) && self.add_if_unchanged(id, removal_count).await? {
                return Ok(true);
            }
        }
        Err(StoreError::Timeout)
    }

    /// Adds the ids of all admins who are not in the document, and returns their number.
    pub async fn ensure_all_listed(&self) -> Result<usize, StoreError> {
        let known = self.read().await?.and_then(|found| found.get_array("ids").ok().cloned()).unwrap_or_default();
        let missing = self.users.admins_not_in(known, BATCH).await?;
        let mut admitted = 0;
        for id in missing {
            admitted += usize::from(self.ensure_listed(id).await?);
        }
        Ok(admitted)
    }

    async fn add_if_unchanged(&self, id: uuid::Uuid, removal_count: RemovalCount) -> Result<bool, StoreError> {
        let filter = doc! { "_id": ID, "departures": removal_count.departures };
        let update = doc! { "$addToSet": { "ids": Uuid::from(id) } };
        let result =
            with_deadline(self.handle.deadline, async { self.handle.collection.update_one(filter, update).await });
        Ok(result.await?.matched_count == 1)
    }

    async fn is_listed(&self, id: uuid::Uuid) -> Result<bool, StoreError> {
        let filter = doc! { "_id": ID, "ids": Uuid::from(id) };
        Ok(with_deadline(self.handle.deadline, self.handle.collection.find_one(filter)).await?.is_some())
    }

    async fn read(&self) -> Result<Option<Document>, StoreError> {
        with_deadline(self.handle.deadline, self.handle.collection.find_one(doc! { "_id": ID })).await
    }
}

impl UserStore {
    /// Returns the ids of at most `limit` admins that are not among `known`.
    async fn admins_not_in(&self, known: Vec<Bson>, limit: i64) -> Result<Vec<uuid::Uuid>, StoreError> {
        let filter = doc! {
            "roles": crate::domain::role::ADMIN,
            // Repeats the filter of the partial index.
            "roles.0": { "$exists": true },
            "status": "active",
            "_id": { "$nin": known },
        };
        let found: Vec<Document> = with_deadline(self.handle.deadline, async {
            let cursor = self.handle.collection.find(filter).projection(doc! { "_id": 1 }).limit(limit).await?;
            cursor.try_collect().await
        })
        .await?;
        let id = |row: Document| {
            row.get("_id").cloned().map_or(Ok(None), |id| bson::deserialize_from_bson::<Uuid>(id).map(Some))
        };
        let ids = found.into_iter().map(id).collect::<Result<Vec<_>, _>>().map_err(bson_error)?;
        Ok(ids.into_iter().flatten().map(Into::into).collect())
    }
}

/// Reads the number of removals from the document.
fn removal_count_of(document: &Document) -> Result<RemovalCount, StoreError> {
    let departures =
        document.get_i64("departures").map_err(|error| mongodb::error::Error::custom(error.to_string()))?;
    Ok(RemovalCount { departures })
}
