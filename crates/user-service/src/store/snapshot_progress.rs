//! The progress of `events snapshot`: one document for each topic of states. And what the command reads of the users.

use bson::{DateTime, Document, Uuid, doc};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use service_kit::mongo::{StoreError, with_deadline};

use super::{
    bulk::{BulkStore, DEADLINE, accounts_after},
    collection::{SCHEMA_VERSION, bson_error},
};

/// The progress of a snapshot that has not asked for every user.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotProgress {
    /// The topic of states.
    #[serde(rename = "_id")]
    pub topic: String,
    pub schema_version: i32,
    /// The last user, in the order of the ids, who was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Uuid>,
    /// The number of users who were asked for.
    pub users: i64,
    pub started_at: DateTime,
    pub updated_at: DateTime,
}

impl SnapshotProgress {
    /// Creates the progress of a snapshot that has not started.
    #[must_use]
    pub fn new(topic: String, now: jiff::Timestamp) -> Self {
        Self {
            topic,
            schema_version: SCHEMA_VERSION,
            after: None,
            users: 0,
            started_at: now.into(),
            updated_at: now.into(),
        }
    }
}

/// The numbers of users whose states the relay has yet to publish.
#[derive(Debug, Clone, Copy)]
pub struct WaitingSnapshots {
    pub users: u64,
    /// Those of them who are parked.
    pub parked: u64,
}

/// The `_id` of a user.
#[derive(Deserialize)]
struct UserId {
    #[serde(rename = "_id")]
    id: Uuid,
}

impl BulkStore {
    /// Returns the progress of an unfinished snapshot for this topic.
    pub async fn find_snapshot(&self, topic: &str) -> Result<Option<SnapshotProgress>, StoreError> {
        let found = with_deadline(DEADLINE, self.snapshots.collection.find_one(doc! { "_id": topic })).await?;
        found.map(|found| bson::deserialize_from_document(found).map_err(bson_error)).transpose()
    }

    /// Stores the progress of a snapshot.
    pub async fn save_snapshot(&self, progress: &SnapshotProgress) -> Result<(), StoreError> {
        let new: Document = bson::serialize_to_document(progress).map_err(bson_error)?;
        let replaced = self.snapshots.collection.replace_one(doc! { "_id": &progress.topic }, new);
        with_deadline(DEADLINE, replaced.upsert(true)).await.map(|_| ())
    }

    /// Removes the progress of a snapshot that has asked for every user.
    pub async fn remove_snapshot(&self, topic: &str) -> Result<(), StoreError> {
        with_deadline(DEADLINE, self.snapshots.collection.delete_one(doc! { "_id": topic })).await.map(|_| ())
    }

    /// Returns the next users in the order of their ids, without those that [`page`](Self::page) excludes.
    pub async fn user_ids(&self, after: Option<Uuid>, limit: i64) -> Result<Vec<uuid::Uuid>, StoreError> {
        let users = self.users.clone_with_type::<UserId>();
        let found: Vec<UserId> = with_deadline(DEADLINE, async {
            let found = users.find(accounts_after(after)).projection(doc! { "_id": 1 });
            found.sort(doc! { "_id": 1 }).limit(limit).await?.try_collect().await
        })
        .await?;
        Ok(found.into_iter().map(|user| user.id.into()).collect())
    }

    /// Returns the number of users whose pending lists are not empty. It counts at most `limit` of them.
    pub async fn count_waiting_users(&self, limit: u64) -> Result<u64, StoreError> {
        let waiting = doc! { "pendingEvents.0.at": { "$exists": true } };
        with_deadline(DEADLINE, self.users.count_documents(waiting).limit(limit)).await
    }

    /// Returns the present time of the database.
    pub async fn database_time(&self) -> Result<DateTime, StoreError> {
        let database = self.users.client().database("admin");
        let answer = with_deadline(DEADLINE, database.run_command(doc! { "hello": 1 })).await?;
        answer.get_datetime("localTime").copied().map_err(|error| mongodb::error::Error::custom(error).into())
    }

    /// Returns the numbers of users with a request for their state that was written until this time of the database.
    pub async fn count_waiting_snapshots(&self, until: DateTime) -> Result<WaitingSnapshots, StoreError> {
        // The index of the pending lists answers the first condition.
        let waiting = doc! {
            "pendingEvents.0.at": { "$exists": true },
            "pendingEvents": { "$elemMatch": { "type": events::StateRecord::TYPE, "at": { "$lte": until } } },
        };
        let mut parked = waiting.clone();
        parked.insert("parked", doc! { "$exists": true });
        // The parked users are counted first: a user who is parked between the two counts as not parked.
        let parked = with_deadline(DEADLINE, self.users.count_documents(parked)).await?;
        let users = with_deadline(DEADLINE, self.users.count_documents(waiting)).await?;
        Ok(WaitingSnapshots { users, parked: parked.min(users) })
    }
}
