//! Leases by the database's clock: one holder at a time, whatever the hosts' clocks say.

use std::time::Duration;

use bson::doc;
use mongodb::options::ReturnDocument;
use service_kit::mongo::{StoreError, within};

use super::{CollectionHandle, SCHEMA_VERSION};

/// The collection `leases`.
#[derive(Clone)]
pub struct LeaseStore {
    handle: CollectionHandle,
}

impl LeaseStore {
    pub(super) fn new(handle: CollectionHandle) -> Self {
        Self { handle }
    }

    /// Takes or renews the lease `name` for `holder`; false while another holds it.
    pub async fn acquire(&self, name: &str, holder: uuid::Uuid, length: Duration) -> Result<bool, StoreError> {
        let holder = holder.to_string();
        let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX / 4);
        // `$expr` may not stand in the filter of an upsert, so the update decides.
        let free = doc! { "$or": [{ "$eq": ["$holder", &holder] }, { "$not": [{ "$gt": ["$until", "$$NOW"] }] }] };
        let until = doc! { "$add": ["$$NOW", millis] };
        let update = vec![doc! { "$set": {
            "schemaVersion": SCHEMA_VERSION,
            "holder": { "$cond": [&free, &holder, "$holder"] },
            "until": { "$cond": [&free, until, "$until"] },
        } }];
        let written = within(
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
            // Two upserts at once: the other was first.
            Err(StoreError::DuplicateKey { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives the lease back, so that the next holder need not wait for its end.
    pub async fn release(&self, name: &str, holder: uuid::Uuid) -> Result<(), StoreError> {
        let filter = doc! { "_id": name, "holder": holder.to_string() };
        within(self.handle.deadline, self.handle.collection.delete_one(filter)).await?;
        Ok(())
    }
}
