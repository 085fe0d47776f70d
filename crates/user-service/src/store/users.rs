//! Inserts and finds accounts.
//!
//! Every change of an account goes through [`UserStore::commit`] in `conditional_write`.

use bson::{DateTime, Document, RawDocumentBuf, Uuid, doc};
use futures_util::TryStreamExt;
use mongodb::{Collection, options::ReturnDocument};
use serde::de::DeserializeOwned;
use service_kit::mongo::{StoreError, with_deadline};

use super::{
    collection::{CollectionHandle, binary, bson_error},
    dummy_user,
    user_document::UserRecord,
};
use crate::domain::role::ADMIN;

/// The collection `users`, for the use cases that read and change accounts.
#[derive(Clone)]
pub struct UserStore {
    pub(super) handle: CollectionHandle,
    pub(super) max_pending: usize,
}

impl UserStore {
    pub(super) fn new(handle: CollectionHandle, max_pending: usize) -> Self {
        Self { handle, max_pending: max_pending.max(2) }
    }

    /// Inserts a new account with its events.
    ///
    /// # Errors
    /// Returns [`StoreError::DuplicateKey`], which names the unique index that refused the account.
    pub async fn insert(&self, user: &UserRecord) -> Result<(), StoreError> {
        let document = bson::serialize_to_document(user).map_err(bson_error)?;
        with_deadline(self.handle.deadline, self.handle.collection.insert_one(document)).await?;
        Ok(())
    }

    /// Returns the account with this id, unless it is a tombstone. The query does not filter out tombstones,
    /// because MongoDB runs its query planner for every filter that names more than an id.
    pub async fn by_id(&self, id: uuid::Uuid) -> Result<Option<UserRecord>, StoreError> {
        let users = self.raw();
        let found = with_deadline(self.handle.deadline, users.find_one(doc! { "_id": Uuid::from(id) })).await?;
        let tombstoned = |user: &RawDocumentBuf| matches!(user.get("deletedAt"), Ok(Some(_)));
        found.filter(|user| !tombstoned(user)).map(|user| decode(&user)).transpose()
    }

    /// Returns whether an account has this id. A tombstone is not an account.
    pub async fn exists(&self, id: uuid::Uuid) -> Result<bool, StoreError> {
        let filter = doc! { "_id": Uuid::from(id), "deletedAt": { "$exists": false } };
        let found = with_deadline(self.handle.deadline, async {
            self.handle.collection.find_one(filter).projection(doc! { "_id": 1 }).await
        })
        .await?;
        Ok(found.is_some())
    }

    /// Returns the account whose current email address has this key. Reserved addresses are not searched.
    pub async fn by_email_key(&self, key: &str) -> Result<Option<UserRecord>, StoreError> {
        let found = self.find(doc! { "emailKeys": key }).await?;
        Ok(found.filter(|user| user.email_keys.first().is_some_and(|current| current == key)))
    }

    /// Returns the account whose current email address has this key, for a login: see [`Self::find_for_login`].
    pub async fn find_for_login_by_email_key(&self, key: &str) -> Result<Option<UserRecord>, StoreError> {
        let found = self.find_for_login(doc! { "emailKeys": key }).await?;
        Ok(found.filter(|user| user.email_keys.first().is_some_and(|current| current == key)))
    }

    /// Returns the account whose username has this key, for a login: see [`Self::find_for_login`].
    pub async fn find_for_login_by_username_key(&self, key: &str) -> Result<Option<UserRecord>, StoreError> {
        self.find_for_login(doc! { "usernameKey": key }).await
    }

    /// Returns an account without the fields that make some accounts larger than others (attributes, tokens,
    /// events, keys). If there is no account, a dummy user is decoded instead, so that both cases take the same
    /// time.
    async fn find_for_login(&self, filter: Document) -> Result<Option<UserRecord>, StoreError> {
        let users = self.raw();
        let found = with_deadline(self.handle.deadline, async {
            users.find_one(filter).projection(dummy_user::login_projection()).await
        });
        let (document, is_dummy) = match found.await? {
            Some(document) => (document, false),
            None => (dummy_user::document(), true),
        };
        let user = std::hint::black_box(decode(&document)?);
        Ok(Some(user).filter(|_| !is_dummy))
    }

    /// Returns the account that has a one-time token with this digest.
    pub async fn by_token(&self, digest: [u8; 32]) -> Result<Option<UserRecord>, StoreError> {
        self.find(doc! { "tokens.hash": binary(&digest) }).await
    }

    /// Returns the account that has an undo link with this digest.
    pub async fn by_undo_token(&self, digest: [u8; 32]) -> Result<Option<UserRecord>, StoreError> {
        self.find(doc! { "undoTokens.hash": binary(&digest) }).await
    }

    /// Returns the account that has a used one-time token with this digest.
    pub async fn by_used_token(&self, digest: [u8; 32]) -> Result<Option<UserRecord>, StoreError> {
        self.find(doc! { "usedTokens.hash": binary(&digest) }).await
    }

    /// Returns the account whose invitation has a token with this digest.
    pub async fn by_invitation(&self, digest: [u8; 32]) -> Result<Option<UserRecord>, StoreError> {
        self.find(doc! { "invitation.hash": binary(&digest) }).await
    }

    /// Returns the account that was registered with this idempotency key. It reads by a write on the primary
    /// that changes nothing, so that a majority has acknowledged what it returns.
    pub async fn by_idempotency_key(&self, key: &str) -> Result<Option<UserRecord>, StoreError> {
        let users = self.raw();
        let found = with_deadline(self.handle.deadline, async {
            users
                .find_one_and_update(doc! { "idempotency.key": key }, doc! { "$set": { "idempotency.key": key } })
                .return_document(ReturnDocument::After)
                .await
        })
        .await?;
        found.map(|user| decode(&user)).transpose()
    }

    /// Deletes the expired idempotency keys, and returns their number.
    pub async fn delete_expired_idempotency_keys(&self, now: jiff::Timestamp) -> Result<u64, StoreError> {
        let filter = doc! { "idempotency.until": { "$lt": DateTime::from(now) } };
        let result = with_deadline(self.handle.deadline, async {
            self.handle.collection.update_many(filter, doc! { "$unset": { "idempotency": "" } }).await
        })
        .await?;
        Ok(result.modified_count)
    }

    /// Returns active accounts that were created before `before` and whose email address was never verified,
    /// oldest first. Admins are not among them, nor are accounts whose invitation can be accepted at `now`.
    pub async fn unverified_before(
        &self,
        before: jiff::Timestamp,
        now: jiff::Timestamp,
        limit: i64,
    ) -> Result<Vec<UserRecord>, StoreError> {
        let filter = doc! {
            // Repeats the filter of the partial index.
            "emailVerified": false,
            "createdAt": { "$lt": DateTime::from(before) },
            // An imported account could not verify its address before the import.
            "imported.at": { "$not": { "$gte": DateTime::from(before) } },
            "invitation.expiresAt": { "$not": { "$gt": DateTime::from(now) } },
            "status": "active",
            "roles": { "$ne": ADMIN },
        };
        with_deadline(self.handle.deadline, async {
            let cursor = self.handle.collection.find(filter).sort(doc! { "createdAt": 1 }).limit(limit).await?;
            cursor.with_type::<UserRecord>().try_collect().await
        })
        .await
    }

    pub(super) async fn find(&self, filter: Document) -> Result<Option<UserRecord>, StoreError> {
        let users = self.raw();
        let found = with_deadline(self.handle.deadline, users.find_one(filter)).await?;
        found.map(|user| decode(&user)).transpose()
    }

    /// Returns the collection with raw documents, which are decoded directly into their type.
    pub(super) fn raw(&self) -> Collection<RawDocumentBuf> {
        self.handle.collection.clone_with_type()
    }
}

/// Decodes a raw document into its type.
pub(super) fn decode<T: DeserializeOwned>(document: &RawDocumentBuf) -> Result<T, StoreError> {
    bson::deserialize_from_slice(document.as_bytes()).map_err(bson_error)
}
