//! Leases by the database's clock: one holder at a time, whatever the hosts' clocks say.

use std::time::Duration;

use bson::doc;
use service_kit::mongo::{StoreError, within};

use super::{Handle, SCHEMA_VERSION};

/// The collection `leases`.
#[derive(Clone)]
pub struct LeaseStore {
    handle: Handle,
}

impl LeaseStore {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Takes or renews the lease `name` for `holder`; false while another holds it.
    pub async fn hold(&self, name: &str, holder: uuid::Uuid, length: Duration) -> Result<bool, StoreError> {
        let holder = holder.to_string();
        let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX / 4);
        let filter = doc! {
            "_id": name,
            "$expr": { "$or": [{ "$eq": ["$holder", &holder] }, { "$lt": ["$until", "$$NOW"] }] },
        };
        let update = vec![doc! { "$set": {
            "schemaVersion": SCHEMA_VERSION,
            "holder": &holder,
            "until": { "$add": ["$$NOW", millis] },
        } }];
        let written = within(self.handle.deadline, async {
            self.handle.collection.update_one(filter, update).upsert(true).await
        })
        .await;
        match written {
            Ok(_) => Ok(true),
            // Held by another: the filter does not match, and the upsert finds the name taken.
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
