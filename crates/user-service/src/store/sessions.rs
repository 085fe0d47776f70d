//! The sessions: one row for each, and the single update that decides about a refresh.

use std::time::Duration;

use bson::{Bson, DateTime, Document, Uuid, doc};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use service_kit::mongo::{self, RepeatableUpdate, StoreError, with_deadline};

use super::{
    collection::{CollectionHandle, after_cursor, binary, bson_error},
    session_document::SessionRow,
    user_document::SessionRule,
};
use crate::domain::{Cursor, SessionTimes};

/// The outcome of a refresh with a genuine token.
pub enum Rotation {
    /// The row contains the number of the current token. It is a new one, or within the grace period the same
    /// as before.
    Current(Box<SessionRow>),
    /// An older token was presented, so the session has ended. The row exists until the caller deletes it.
    Reused(Box<SessionRow>),
    /// The session does not exist or has expired.
    Gone,
}

/// The collection `sessions`.
#[derive(Clone)]
pub struct SessionStore {
    handle: CollectionHandle,
}

impl SessionStore {
    pub(super) fn new(handle: CollectionHandle) -> Self {
        Self { handle }
    }

    /// Inserts a new session.
    pub async fn insert(&self, row: &SessionRow) -> Result<(), StoreError> {
        let document = bson::serialize_to_document(row).map_err(bson_error)?;
        with_deadline(self.handle.deadline, self.handle.collection.insert_one(document)).await?;
        Ok(())
    }

    /// Returns the salt from which the tokens of a session are derived. It never changes. Only sessions whose salt is
    /// not derived from their id need it.
    pub async fn salt(&self, id: uuid::Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        let found = with_deadline(self.handle.deadline, async {
            self.handle.collection.find_one(doc! { "_id": Uuid::from(id) }).projection(doc! { "salt": 1 }).await
        })
        .await?;
        Ok(found.and_then(|row| row.get_binary_generic("salt").ok().cloned()))
    }

    /// Decides about token `n` of a session, in one write and by the clock of the database:
    ///
    /// - The current token (or a later one, after a failover) makes the next token current.
    /// - The previous token changes nothing within the grace period. After that, within the retry time and only
    ///   once, it makes the token after the current one current.
    /// - Any other token ends the session.
    ///
    /// The retry is for a client that never received the current token. After a retry, the skipped token ends
    /// the session. If the owner and a thief hold one of the two tokens each, the next refresh of either
    /// reveals the theft.
    pub async fn rotate(&self, id: uuid::Uuid, n: i64, times: SessionTimes) -> Result<Rotation, StoreError> {
        let filter = doc! { "_id": Uuid::from(id), "$expr": { "$lt": ["$$NOW", "$expiresAt"] } };
        // A repeated refresh with the same token has the same outcome.
        let pipeline = mongo::stages(&rotation_pipeline(n, times))?;
        let rotation = RepeatableUpdate { filter, pipeline, ..RepeatableUpdate::default() };
        let written = with_deadline(self.handle.deadline, rotation.run(&self.handle.collection)).await?;
        let Some(mut document) = written else { return Ok(Rotation::Gone) };
        let reused = document.remove("reused").is_some();
        let row = bson::deserialize_from_document(document).map_err(bson_error)?;
        if !reused {
            return Ok(Rotation::Current(Box::new(row)));
        }
        Ok(Rotation::Reused(Box::new(row)))
    }

    /// Returns at most `limit` valid sessions of a user after the cursor `after`, newest first, without the
    /// session `except`.
    pub async fn list_valid(
        &self,
        user: uuid::Uuid,
        rule: SessionRule,
        after: Cursor,
        except: Option<uuid::Uuid>,
        limit: i64,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let mut valid = vec![doc! { "epoch": rule.epoch }];
        valid.extend(rule.keep.map(|id| doc! { "_id": id }));
        let mut all = vec![doc! { "$or": valid }, after_cursor(after, "createdAt")];
        all.extend(except.map(|id| doc! { "_id": { "$ne": Uuid::from(id) } }));
        let filter = doc! {
            "userId": Uuid::from(user),
            "reused": { "$exists": false },
            "$expr": { "$lt": ["$$NOW", "$expiresAt"] },
            "$and": all,
        };
        self.newest(filter, limit).await
    }

    /// Returns at most `limit` rows of a user after the cursor `after`, newest first, including sessions that
    /// have ended.
    pub async fn list_all(&self, user: uuid::Uuid, after: Cursor, limit: i64) -> Result<Vec<SessionRow>, StoreError> {
        let mut filter = after_cursor(after, "createdAt");
        filter.insert("userId", Uuid::from(user));
        self.newest(filter, limit).await
    }

    async fn newest(&self, filter: Document, limit: i64) -> Result<Vec<SessionRow>, StoreError> {
        with_deadline(self.handle.deadline, async {
            let newest = doc! { "createdAt": -1, "_id": -1 };
            let cursor = self.handle.collection.find(filter).sort(newest).limit(limit).await?;
            cursor.with_type::<SessionRow>().try_collect().await
        })
        .await
    }

    /// Returns whether the session exists and has not ended. The account may have ended it together with others,
    /// which only the account tells.
    pub async fn is_active(&self, id: uuid::Uuid) -> Result<bool, StoreError> {
        let filter = doc! {
            "_id": Uuid::from(id),
            "reused": { "$exists": false },
            "$expr": { "$lt": ["$$NOW", "$expiresAt"] },
        };
        let found = with_deadline(self.handle.deadline, async {
            self.handle.collection.find_one(filter).projection(doc! { "_id": 1 }).await
        })
        .await?;
        Ok(found.is_some())
    }

    /// Returns the session if it belongs to the user.
    pub async fn find_of_user(&self, id: uuid::Uuid, user: uuid::Uuid) -> Result<Option<SessionRow>, StoreError> {
        let filter = doc! { "_id": Uuid::from(id), "userId": Uuid::from(user) };
        let found = with_deadline(self.handle.deadline, self.handle.collection.find_one(filter)).await?;
        found.map(bson::deserialize_from_document).transpose().map_err(bson_error)
    }

    /// Ends a session that belongs to the user, and returns its row.
    pub async fn end_of_user(&self, id: uuid::Uuid, user: uuid::Uuid) -> Result<Option<SessionRow>, StoreError> {
        let filter = doc! { "_id": Uuid::from(id), "userId": Uuid::from(user) };
        let ended = with_deadline(self.handle.deadline, self.handle.collection.find_one_and_delete(filter)).await?;
        ended.map(bson::deserialize_from_document).transpose().map_err(bson_error)
    }

    /// Deletes the rows of sessions that ended because the epoch of the user was raised.
    pub async fn delete_ended(&self, user: uuid::Uuid, rule: SessionRule) -> Result<(), StoreError> {
        let mut filter = doc! { "userId": Uuid::from(user), "epoch": { "$lt": rule.epoch } };
        if let Some(keep) = rule.keep {
            filter.insert("_id", doc! { "$ne": keep });
        }
        with_deadline(self.handle.deadline, self.handle.collection.delete_many(filter)).await?;
        Ok(())
    }

    /// Ends a session. Returns false if it did not exist.
    pub async fn delete(&self, id: uuid::Uuid) -> Result<bool, StoreError> {
        let result = with_deadline(self.handle.deadline, async {
            self.handle.collection.delete_one(doc! { "_id": Uuid::from(id) }).await
        })
        .await?;
        Ok(result.deleted_count == 1)
    }

    /// Returns a session that has not ended and that a browser holds for the pages. The account may have ended it
    /// together with others, which only the account tells.
    pub async fn find_page_session(&self, id: uuid::Uuid) -> Result<Option<SessionRow>, StoreError> {
        let filter = doc! {
            "_id": Uuid::from(id),
            "cookieHash": { "$exists": true },
            "$expr": { "$lt": ["$$NOW", "$expiresAt"] },
        };
        let found = with_deadline(self.handle.deadline, self.handle.collection.find_one(filter)).await?;
        found.map(bson::deserialize_from_document).transpose().map_err(bson_error)
    }

    /// Records the use of a session now, by the clock of the database, which moves its idle end.
    pub async fn touch(&self, id: uuid::Uuid, times: SessionTimes) -> Result<(), StoreError> {
        let used = doc! { "$set": { "lastUsedAt": "$$NOW", "expiresAt": end_of_session_used_now(times) } };
        with_deadline(self.handle.deadline, async {
            self.handle.collection.update_one(doc! { "_id": Uuid::from(id) }, vec![used]).await
        })
        .await?;
        Ok(())
    }

    /// Replaces the cookie of a page session. Returns false if the session does not exist.
    pub async fn replace_cookie(&self, id: uuid::Uuid, hash: &[u8]) -> Result<bool, StoreError> {
        let filter = doc! { "_id": Uuid::from(id), "cookieHash": { "$exists": true } };
        let update = doc! { "$set": { "cookieHash": binary(hash) } };
        let result =
            with_deadline(self.handle.deadline, async { self.handle.collection.update_one(filter, update).await })
                .await?;
        Ok(result.matched_count == 1)
    }

    /// Ends a session and returns its row.
    pub async fn end(&self, id: uuid::Uuid) -> Result<Option<SessionRow>, StoreError> {
        let ended = with_deadline(self.handle.deadline, async {
            self.handle.collection.find_one_and_delete(doc! { "_id": Uuid::from(id) }).await
        })
        .await?;
        ended.map(bson::deserialize_from_document).transpose().map_err(bson_error)
    }

    /// Returns the session if it belongs to the user and has not ended. The account may have ended it together with
    /// others, which only the account tells.
    pub async fn find_active(&self, id: uuid::Uuid, user: uuid::Uuid) -> Result<Option<SessionRow>, StoreError> {
        let found = with_deadline(self.handle.deadline, async {
            self.handle.collection.find_one(active_of_user(id, user)).await
        })
        .await?;
        found.map(bson::deserialize_from_document).transpose().map_err(bson_error)
    }

    /// Records when the user of the session authenticated again, and whether that included the second factor. Returns
    /// false if the session has ended.
    pub async fn set_authenticated(
        &self,
        id: uuid::Uuid,
        user: uuid::Uuid,
        at: Timestamp,
        second_factor: bool,
    ) -> Result<bool, StoreError> {
        let at = DateTime::from(at);
        let update = match second_factor {
            true => doc! { "$set": { "authenticatedAt": at, "secondFactor": true } },
            false => doc! { "$set": { "authenticatedAt": at }, "$unset": { "secondFactor": "" } },
        };
        let result = with_deadline(self.handle.deadline, async {
            self.handle.collection.update_one(active_of_user(id, user), update).await
        })
        .await?;
        Ok(result.matched_count == 1)
    }

    /// Records that the user of the session has given the second factor since the last authentication.
    pub async fn set_second_factor(&self, id: uuid::Uuid, user: uuid::Uuid) -> Result<(), StoreError> {
        let update = doc! { "$set": { "secondFactor": true } };
        with_deadline(self.handle.deadline, async {
            self.handle.collection.update_one(active_of_user(id, user), update).await
        })
        .await?;
        Ok(())
    }
}

/// Returns the filter of a session of the user that has not ended.
fn active_of_user(id: uuid::Uuid, user: uuid::Uuid) -> Document {
    doc! {
        "_id": Uuid::from(id),
        "userId": Uuid::from(user),
        "reused": { "$exists": false },
        "$expr": { "$lt": ["$$NOW", "$expiresAt"] },
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// Returns the expression for the end of a session that is used now: of its idle or of its maximum lifetime.
fn end_of_session_used_now(times: SessionTimes) -> Document {
    let idle_end = doc! { "$add": ["$$NOW", millis(times.idle)] };
    let max_end = doc! { "$add": ["$createdAt", millis(times.max)] };
    doc! { "$min": [idle_end, max_end] }
}

fn rotation_pipeline(n: i64, times: SessionTimes) -> Vec<Document> {
    let since_rotation = |time: Duration| doc! { "$lte": ["$$NOW", { "$add": ["$rotatedAt", millis(time)] }] };
    let is_current = doc! { "$gte": [n, "$n"] };
    // `retriedFrom` counts only together with the `n` that it was written with: a release that does not know it
    // raises `n` and does not change it.
    let is_previous = doc! { "$and": [{ "$eq": [n + 1, "$n"] }, { "$ne": ["$retriedFrom", n - 1] }] };
    let has_retried = doc! { "$and": [{ "$eq": [n + 2, "$n"] }, { "$eq": ["$retriedFrom", n] }] };
    let gets_same = doc! { "$and": [{ "$or": [is_previous.clone(), has_retried] }, since_rotation(times.grace)] };
    let may_retry = doc! { "$and": [is_previous, since_rotation(times.retry)] };
    // After a token was reused, the session has ended for every token, even if the process dies before it deletes
    // the row.
    let verdict = doc! { "$switch": {
        "branches": [
            { "case": { "$eq": [{ "$type": "$reused" }, "bool"] }, "then": "reused" },
            { "case": is_current, "then": "next" },
            { "case": gets_same, "then": "same" },
            { "case": may_retry, "then": "retry" },
        ],
        "default": "reused",
    } };
    let when_rotated = |new: Bson, old: &str| doc! { "$cond": [{ "$in": ["$verdict", ["next", "retry"]] }, new, old] };
    let number = doc! { "$switch": {
        "branches": [
            { "case": { "$eq": ["$verdict", "next"] }, "then": n + 1 },
            { "case": { "$eq": ["$verdict", "retry"] }, "then": n + 2 },
        ],
        "default": "$n",
    } };
    let retried_from = doc! { "$switch": {
        "branches": [
            { "case": { "$eq": ["$verdict", "next"] }, "then": "$$REMOVE" },
            { "case": { "$eq": ["$verdict", "retry"] }, "then": n },
        ],
        "default": "$retriedFrom",
    } };
    let expires = end_of_session_used_now(times);
    vec![
        doc! { "$set": { "verdict": verdict } },
        doc! { "$set": {
            "n": number,
            "retriedFrom": retried_from,
            "rotatedAt": when_rotated(Bson::from("$$NOW"), "$rotatedAt"),
            "lastUsedAt": when_rotated(Bson::from("$$NOW"), "$lastUsedAt"),
            "expiresAt": when_rotated(Bson::from(expires), "$expiresAt"),
            "reused": { "$cond": [{ "$eq": ["$verdict", "reused"] }, true, "$$REMOVE"] },
        } },
        doc! { "$unset": "verdict" },
    ]
}
