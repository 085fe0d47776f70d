//! Addresses and usernames that are kept for an account after a change, and given free
//! when their time is over.

use bson::{Bson, DateTime, Document, doc};
use mongodb::options::ReturnDocument;
use service_kit::mongo::{StoreError, within};

use super::{UserStore, user_document::UserRecord};

/// Keys of one sort: where they are, and where their reservations are.
struct KeyFields {
    keys: &'static str,
    reserved: &'static str,
}

const EMAILS: KeyFields = KeyFields { keys: "emailKeys", reserved: "reserved" };
const USERNAMES: KeyFields = KeyFields { keys: "usernameKeys", reserved: "reservedUsernames" };

impl UserStore {
    /// Takes an address from the account that it was kept for, if its time is over at
    /// `now`; false if nothing was taken. Whoever was refused the address by the unique
    /// index asks this, and tries once more.
    pub async fn release_expired_email(&self, key: &str, now: jiff::Timestamp) -> Result<bool, StoreError> {
        self.release_expired(&EMAILS, key, now).await
    }

    /// As [`release_expired_email`](Self::release_expired_email), for a username.
    pub async fn release_expired_username(&self, key: &str, now: jiff::Timestamp) -> Result<bool, StoreError> {
        self.release_expired(&USERNAMES, key, now).await
    }

    async fn release_expired(&self, fields: &KeyFields, key: &str, now: jiff::Timestamp) -> Result<bool, StoreError> {
        let filter = doc! {
            fields.keys: key,
            format!("{}.0", fields.keys): { "$ne": key },
            format!("{}.until", fields.reserved): { "$lte": DateTime::from(now) },
        };
        let holder = within(self.handle.deadline, async {
            self.handle
                .collection
                .find_one_and_update(filter, without_expired(fields, now))
                .projection(doc! { fields.keys: 1 })
                .return_document(ReturnDocument::After)
                .await
        })
        .await?;
        let keys = |holder: Document| holder.get_array(fields.keys).cloned().unwrap_or_default();
        // It may have been left twice: the other time may not be over.
        Ok(holder.is_some_and(|holder| !keys(holder).contains(&Bson::from(key))))
    }

    /// Gives all addresses and usernames free whose time is over at `now`; how many
    /// accounts held one.
    pub async fn release_expired_reservations(&self, now: jiff::Timestamp) -> Result<u64, StoreError> {
        let mut freed = 0;
        for fields in [&EMAILS, &USERNAMES] {
            let filter = doc! { format!("{}.until", fields.reserved): { "$lte": DateTime::from(now) } };
            let result = within(self.handle.deadline, async {
                self.handle.collection.update_many(filter, without_expired(fields, now)).await
            })
            .await?;
            freed += result.modified_count;
        }
        Ok(freed)
    }

    /// The account that has the username with this key at `now`, current or reserved.
    pub async fn holder_of_username(&self, key: &str, now: jiff::Timestamp) -> Result<Option<UserRecord>, StoreError> {
        // Documents of releases before have the first of the fields only.
        for field in ["usernameKey", "usernameKeys"] {
            let found = self.find(doc! { field: key }).await?;
            let holder = found.filter(|user: &UserRecord| user.holds_username(key, now));
            if holder.is_some() {
                return Ok(holder);
            }
        }
        Ok(None)
    }

    /// The account that has the address with this key, current or reserved.
    pub async fn holder_of_email(&self, key: &str) -> Result<Option<UserRecord>, StoreError> {
        self.find(doc! { "emailKeys": key }).await
    }
}

/// Drops the reservations that are over, and their keys, but for the current one. The
/// version is raised, so that nobody writes back what they have read before.
fn without_expired(fields: &KeyFields, now: jiff::Timestamp) -> Vec<Document> {
    let (keys, reserved) = (format!("${}", fields.keys), format!("${}", fields.reserved));
    let kept = doc! { "$filter": { "input": &reserved, "cond": { "$gt": ["$$this.until", DateTime::from(now)] } } };
    let others = doc! { "$slice": [&keys, 1, 1_000] };
    let still_kept = doc! { "$filter": { "input": others, "cond": { "$in": ["$$this", format!("{reserved}.key")] } } };
    vec![
        doc! { "$set": { fields.reserved: kept, "version": { "$add": ["$version", 1_i64] } } },
        doc! { "$set": {
            fields.keys: { "$concatArrays": [{ "$slice": [&keys, 1] }, still_kept] },
            fields.reserved: { "$cond": [{ "$eq": [&reserved, []] }, "$$REMOVE", &reserved] },
        } },
    ]
}
