//! The reservations of email addresses and usernames: an account keeps them for a while after a change, and then
//! they are released.

use bson::{Bson, DateTime, Document, doc};
use mongodb::options::ReturnDocument;
use service_kit::mongo::{StoreError, with_deadline};

use super::{user_document::UserRecord, users::UserStore};

/// The fields of one kind of key: the field of the keys, and the field of their reservations.
struct KeyFields {
    keys: &'static str,
    reserved: &'static str,
}

const EMAILS: KeyFields = KeyFields { keys: "emailKeys", reserved: "reserved" };
const USERNAMES: KeyFields = KeyFields { keys: "usernameKeys", reserved: "reservedUsernames" };

impl UserStore {
    /// Releases the email address with this key if its reservation has expired at `now`. Returns whether it was
    /// released. A caller whose write was refused by the unique index calls this, and then writes once more.
    pub async fn release_expired_email(&self, key: &str, now: jiff::Timestamp) -> Result<bool, StoreError> {
        self.release_expired(&EMAILS, key, now).await
    }

    /// Releases the username with this key, like [`release_expired_email`](Self::release_expired_email). Also
    /// releases a username that release 0.1.0 has changed.
    pub async fn release_expired_username(&self, key: &str, now: jiff::Timestamp) -> Result<bool, StoreError> {
        Ok(self.release_expired(&USERNAMES, key, now).await? || self.release_abandoned_usernames(&[key]).await? > 0)
    }

    /// Releases those of the usernames with these keys that are neither the current one of their account nor
    /// reserved, and returns how many accounts had one. Release 0.1.0 leaves them behind: it changes
    /// `usernameKey`, and does not know `usernameKeys`.
    pub async fn release_abandoned_usernames(&self, keys: &[&str]) -> Result<u64, StoreError> {
        let reserved = doc! { "$ifNull": ["$reservedUsernames.key", []] };
        let claimed = doc! { "$setIntersection": ["$usernameKeys", { "$literal": keys }] };
        let held = doc! { "$concatArrays": [["$usernameKey"], &reserved] };
        let filter = doc! {
            "usernameKeys": { "$in": keys },
            "$expr": { "$ne": [{ "$setDifference": [claimed, held] }, []] },
        };
        let kept = doc! { "$filter": { "input": "$usernameKeys", "cond": { "$in": ["$$this", reserved] } } };
        let update = vec![doc! { "$set": {
            "usernameKeys": { "$concatArrays": [["$usernameKey"], kept] },
            "version": { "$add": ["$version", 1_i64] },
        } }];
        let result =
            with_deadline(self.handle.deadline, async { self.handle.collection.update_many(filter, update).await });
        Ok(result.await?.modified_count)
    }

    async fn release_expired(&self, fields: &KeyFields, key: &str, now: jiff::Timestamp) -> Result<bool, StoreError> {
        let filter = doc! {
            fields.keys: key,
            format!("{}.0", fields.keys): { "$ne": key },
            format!("{}.until", fields.reserved): { "$lte": DateTime::from(now) },
        };
        let holder = with_deadline(self.handle.deadline, async {
            self.handle
                .collection
                .find_one_and_update(filter, without_expired(fields, now))
                .projection(doc! { fields.keys: 1 })
                .return_document(ReturnDocument::After)
                .await
        })
        .await?;
        let keys = |holder: Document| holder.get_array(fields.keys).cloned().unwrap_or_default();
        // The key may have a second reservation that has not expired.
        Ok(holder.is_some_and(|holder| !keys(holder).contains(&Bson::from(key))))
    }

    /// Releases all email addresses and usernames whose reservations have expired at `now`. Returns how many
    /// accounts had one.
    pub async fn release_expired_reservations(&self, now: jiff::Timestamp) -> Result<u64, StoreError> {
        let mut freed = 0;
        for fields in [&EMAILS, &USERNAMES] {
            let filter = doc! { format!("{}.until", fields.reserved): { "$lte": DateTime::from(now) } };
            let result = with_deadline(self.handle.deadline, async {
                self.handle.collection.update_many(filter, without_expired(fields, now)).await
            })
            .await?;
            freed += result.modified_count;
        }
        Ok(freed)
    }

    /// Returns the account that the username with this key belongs to at `now`, as its current username or as a
    /// reserved one.
    pub async fn holder_of_username(&self, key: &str, now: jiff::Timestamp) -> Result<Option<UserRecord>, StoreError> {
        // Documents of earlier releases have only the first of these fields.
        for field in ["usernameKey", "usernameKeys"] {
            let found = self.find(doc! { field: key }).await?;
            let holder = found.filter(|user: &UserRecord| user.holds_username(key, now));
            if holder.is_some() {
                return Ok(holder);
            }
        }
        Ok(None)
    }

    /// Returns the account that has the email address with this key, as its current address or as a reserved
    /// one.
    pub async fn holder_of_email(&self, key: &str) -> Result<Option<UserRecord>, StoreError> {
        self.find(doc! { "emailKeys": key }).await
    }
}

/// Returns the update that removes the expired reservations and their keys, but never the current key. It raises
/// the version, so that a writer that has read the document before does not restore them.
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
