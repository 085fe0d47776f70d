//! Who administrates: one document with the ids of the admins, so that the last of them
//! can be told and stays, also when two are taken the role at the same moment.
//!
//! Two things hold at any time. Everyone in the document is an admin (an active account
//! with the role); and once somebody is in it, somebody always is. So:
//!
//! - Who is to be no admin any more first leaves the document, which takes somebody else
//!   in it; then the account is written, on the version that was read *before* leaving.
//! - Who becomes one is written first, and is admitted then, unless somebody has left
//!   since *before* that write. AdminRemoval is counted in `departures` for this.
//!
//! A removal that is overtaken by such a write finds another version and decides again.
//! So no late write can make an id of the document one without the role. The reverse, an
//! admin who is not in the document, is what a crash between two steps leaves. It takes
//! nobody's rights; only the removal of another admin may be refused because of it.
//! [`AdminStore::ensure_listed`] mends it.

use bson::{Bson, Document, Uuid, doc};
use futures_util::TryStreamExt;
use service_kit::mongo::{StoreError, within};

use super::{
    CollectionHandle, SCHEMA_VERSION, bson_error,
    conditional_write::{Change, Commit, Precondition},
    user_document::UserRecord,
    users::UserStore,
};

const ID: &str = "admins";
/// How often an removal_count is tried while others leave.
const MAX_ATTEMPTS: usize = 20;
/// How many are looked for in one round.
const BATCH: i64 = 100;

/// How leaving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminRemoval {
    /// Not in the document now; somebody else is.
    Removed,
    /// Nobody else is in the document; nothing was changed.
    LastAdmin,
}

/// Read before an account is written that is to be admitted.
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

    /// Takes the id out of the document, if somebody else is in it. The account has been
    /// read before, and is written on that version afterwards.
    pub async fn remove_unless_last(&self, id: uuid::Uuid) -> Result<AdminRemoval, StoreError> {
        let id = Uuid::from(id);
        let filter = doc! { "_id": ID, "ids": { "$elemMatch": { "$ne": id } } };
        let update = doc! { "$pull": { "ids": id }, "$inc": { "departures": 1_i64 } };
        let result = within(self.handle.deadline, async { self.handle.collection.update_one(filter, update).await });
        Ok(if result.await?.matched_count == 1 { AdminRemoval::Removed } else { AdminRemoval::LastAdmin })
    }

    /// To be read before the write that makes an account an admin's.
    pub async fn removal_count(&self) -> Result<RemovalCount, StoreError> {
        if let Some(found) = self.read().await? {
            return removal_count_of(&found);
        }
        let first = doc! { "_id": ID, "schemaVersion": SCHEMA_VERSION, "ids": [], "departures": 0_i64 };
        match within(self.handle.deadline, self.handle.collection.insert_one(first)).await {
            // Two first admins at once: it is there.
            Ok(_) | Err(StoreError::DuplicateKey { .. }) => {}
            Err(error) => return Err(error),
        }
        let found = self.read().await?.ok_or_else(|| StoreError::from(mongodb::error::Error::custom("no admins")))?;
        removal_count_of(&found)
    }

    /// Puts an account into the document that was written as an admin's after `removal_count`
    /// was read; when somebody has left since, the account is looked at again.
    pub async fn add(&self, id: uuid::Uuid, removal_count: RemovalCount) -> Result<(), StoreError> {
        if self.add_if_unchanged(id, removal_count).await? { Ok(()) } else { self.ensure_listed(id).await.map(|_| ()) }
    }

    /// Puts an account into the document that is an admin's and not in it; whether it is
    /// an admin's. Costs the account a version: that is what stops a removal under way.
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

    /// Admits every admin who is not in the document; how many.
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
        let result = within(self.handle.deadline, async { self.handle.collection.update_one(filter, update).await });
        Ok(result.await?.matched_count == 1)
    }

    async fn is_listed(&self, id: uuid::Uuid) -> Result<bool, StoreError> {
        let filter = doc! { "_id": ID, "ids": Uuid::from(id) };
        Ok(within(self.handle.deadline, self.handle.collection.find_one(filter)).await?.is_some())
    }

    async fn read(&self) -> Result<Option<Document>, StoreError> {
        within(self.handle.deadline, self.handle.collection.find_one(doc! { "_id": ID })).await
    }
}

impl UserStore {
    /// Admins whose ids are not among `known`.
    async fn admins_not_in(&self, known: Vec<Bson>, limit: i64) -> Result<Vec<uuid::Uuid>, StoreError> {
        let filter = doc! {
            "roles": crate::domain::role::ADMIN,
            // As the index has it.
            "roles.0": { "$exists": true },
            "status": "active",
            "_id": { "$nin": known },
        };
        let found: Vec<Document> = within(self.handle.deadline, async {
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

fn removal_count_of(document: &Document) -> Result<RemovalCount, StoreError> {
    let departures =
        document.get_i64("departures").map_err(|error| mongodb::error::Error::custom(error.to_string()))?;
    Ok(RemovalCount { departures })
}
