//! Addresses that are kept for an account after a change, and given free when their
//! time is over.

use bson::{Bson, DateTime, Document, doc};
use mongodb::options::ReturnDocument;
use service_kit::mongo::{StoreError, within};

use super::UserStore;

impl UserStore {
    /// Takes an address from the account that it was kept for, if its time is over at
    /// `now`; false if nothing was taken. Whoever was refused the address by the unique
    /// index asks this, and tries once more.
    pub async fn free_address(&self, key: &str, now: jiff::Timestamp) -> Result<bool, StoreError> {
        let filter = doc! {
            "emailKeys": key,
            "emailKeys.0": { "$ne": key },
            "reserved.until": { "$lte": DateTime::from(now) },
        };
        let holder = within(self.handle.deadline, async {
            self.handle
                .collection
                .find_one_and_update(filter, without_expired(now))
                .projection(doc! { "emailKeys": 1 })
                .return_document(ReturnDocument::After)
                .await
        })
        .await?;
        let keys = |holder: Document| holder.get_array("emailKeys").cloned().unwrap_or_default();
        // It may have been left twice: the other time may not be over.
        Ok(holder.is_some_and(|holder| !keys(holder).contains(&Bson::from(key))))
    }

    /// Gives all addresses free whose time is over at `now`; how many accounts held one.
    pub async fn free_addresses(&self, now: jiff::Timestamp) -> Result<u64, StoreError> {
        let filter = doc! { "reserved.until": { "$lte": DateTime::from(now) } };
        let result = within(self.handle.deadline, async {
            self.handle.collection.update_many(filter, without_expired(now)).await
        })
        .await?;
        Ok(result.modified_count)
    }
}

/// Drops the reservations that are over, and their keys, but for the current one. The
/// version is raised, so that nobody writes back what they have read before.
fn without_expired(now: jiff::Timestamp) -> Vec<Document> {
    let kept = doc! { "$filter": { "input": "$reserved", "cond": { "$gt": ["$$this.until", DateTime::from(now)] } } };
    let others = doc! { "$slice": ["$emailKeys", 1, 1_000] };
    let still_kept = doc! { "$filter": { "input": others, "cond": { "$in": ["$$this", "$reserved.key"] } } };
    vec![
        doc! { "$set": { "reserved": kept, "version": { "$add": ["$version", 1_i64] } } },
        doc! { "$set": {
            "emailKeys": { "$concatArrays": [{ "$slice": ["$emailKeys", 1] }, still_kept] },
            "reserved": { "$cond": [{ "$eq": ["$reserved", []] }, "$$REMOVE", "$reserved"] },
        } },
    ]
}
