//! What the relay publishes as the state of a user, and the requests to publish it.

use bson::{Bson, DateTime, Document, Uuid, doc};
use mongodb::options::ReturnDocument;
use serde::Deserialize;
use service_kit::mongo::{StoreError, with_deadline};

use super::{
    outbox::{OutboxStore, run_updates},
    user_document::UserRecord,
    users::decode,
};

/// A user as a majority of the servers has them.
pub enum PresentUser {
    Account(Box<UserRecord>),
    /// The user is deleted, and the tombstone is still there.
    Tombstone(TombstoneRecord),
    /// The user is deleted, and so is the tombstone.
    Gone,
}

impl PresentUser {
    /// Returns the version of the document, if there is one.
    #[must_use]
    pub fn version(&self) -> Option<i64> {
        match self {
            Self::Account(account) => Some(account.version),
            Self::Tombstone(tombstone) => Some(tombstone.version),
            Self::Gone => None,
        }
    }
}

/// The document of a deleted user.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TombstoneRecord {
    pub version: i64,
    pub deleted_at: DateTime,
}

impl OutboxStore {
    /// Reads a user by a write that changes nothing: it is acknowledged only when a majority has, in the journal, what
    /// it returns. A read with read concern `majority` would not do: without a replica set it returns writes that are
    /// not in the journal yet, and for a moment after an election a server that is no longer the primary returns what it
    /// had before.
    pub async fn present_user(&self, user: uuid::Uuid) -> Result<PresentUser, StoreError> {
        let users = self.users.collection.clone_with_type::<bson::RawDocumentBuf>();
        let found = with_deadline(self.users.deadline, async {
            let nothing = doc! { "$unset": { "nothing": "" } };
            users
                .find_one_and_update(doc! { "_id": Uuid::from(user) }, nothing)
                .return_document(ReturnDocument::After)
                .await
        });
        Ok(match found.await? {
            None => PresentUser::Gone,
            Some(document) if matches!(document.get("deletedAt"), Ok(Some(_))) => {
                PresentUser::Tombstone(decode(&document)?)
            }
            Some(document) => PresentUser::Account(Box::new(decode(&document)?)),
        })
    }

    /// Asks the relay to publish the present state of these users: adds an entry to the list of each, or renews
    /// the one that is there. A publisher that has read the earlier entry then finds it gone, and asks again, so
    /// the last publication begins after this write. A user without a document gets none. Returns the number of
    /// users that have one.
    ///
    /// The times of the entries differ by a millisecond each. The sweep finds its next batch by the time of the last
    /// entry, so it would end at a batch of equal times.
    ///
    /// The version of the account stays, so no client that holds it has to read again. A full list gets the entry
    /// too: there is at most one for each user.
    pub async fn request_snapshots(&self, users: &[uuid::Uuid]) -> Result<u64, StoreError> {
        let updates = users
            .iter()
            .zip(0..)
            .map(|(user, delay)| doc! { "q": { "_id": Uuid::from(*user) }, "u": [snapshot_update(self.ids.v4(), delay)] })
            .collect();
        run_updates(&self.users, updates).await
    }
}

fn snapshot_update(id: uuid::Uuid, delay_millis: i64) -> Document {
    let others = doc! { "$filter": {
        "input": { "$ifNull": ["$pendingEvents", []] },
        "cond": { "$ne": ["$$this.type", events::StateRecord::TYPE] },
    } };
    // Release 0.1.0 requires each of these members.
    let entry = doc! {
        "id": Uuid::from(id),
        "type": events::StateRecord::TYPE,
        "sequence": "$version",
        "at": { "$add": ["$$NOW", delay_millis] },
        "data": "",
        "audit": { "actor": "system" },
    };
    doc! { "$set": { "pendingEvents": { "$concatArrays": [others, [Bson::from(entry)]] } } }
}
