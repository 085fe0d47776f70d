//! Leases by the clock of the database: at most one holder at a time, whatever the clocks of the hosts are.

use std::time::Duration;

use bson::doc;
use mongodb::options::ReturnDocument;
use service_kit::mongo::{StoreError, with_deadline};

use super::collection::{CollectionHandle, SCHEMA_VERSION};

/// The collection `leases`.
#[derive(Clone)]
pub struct LeaseStore {
    handle: CollectionHandle,
}

impl LeaseStore {
    pub(super) fn new(handle: CollectionHandle) -> Self {
        Self { handle }
    }

    /// Acquires or renews the lease `name` for `holder`. Returns false while another holder has it.
    pub async fn acquire(&self, name: &str, holder: uuid::Uuid, length: Duration) -> Result<bool, StoreError> {
        let holder = holder.to_string();
        let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX / 4);
        // The filter of an upsert must not contain `$expr`, so the update decides.
        let free = doc! { "$or": [{ "$eq": ["$holder", &holder] }, { "$not": [{ "$gt": ["$until", "$$NOW"] }] }] };
        let until = doc! { "$add": ["$$NOW", millis] };
        let update = vec![doc! { "$set": {
            "schemaVersion": SCHEMA_VERSION,
            "holder": { "$cond": [&free, &holder, "$holder"] },
            "until": { "$cond": [&free, until, "$until"] },
        } }];
        let written = with_deadline(
            self.handle.deadline,
            self.handle
                .collection
                .find_one_and_update(doc! { "_id": name }, update)
                .upsert(true)
                .return_document(ReturnDocument::After),
        )
        .await;
        match written {
            Ok(lease) => Ok(lease.is_some_and(|lease| lease.get_str("holder").is_ok_and(|now| now == holder))),
            // A concurrent upsert was first.
            Err(StoreError::DuplicateKey { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Releases the lease, so that the next holder does not have to wait until it expires.
    pub async fn release(&self, name: &str, holder: uuid::Uuid) -> Result<(), StoreError> {
        let filter = doc! { "_id": name, "holder": holder.to_string() };
        with_deadline(self.handle.deadline, self.handle.collection.delete_one(filter)).await?;
        Ok(())
    }
}
