//! The users: inserting one and finding one.
//!
//! Every change goes through [`UserStore::commit`], in `conditional_write`.

use bson::{DateTime, Document, RawDocumentBuf, Uuid, doc};
use futures_util::TryStreamExt;
use mongodb::{Collection, options::ReturnDocument};
use serde::de::DeserializeOwned;
use service_kit::mongo::{StoreError, within};

use super::{CollectionHandle, binary, bson_error, dummy_user, user_document::UserRecord};
use crate::domain::role::ADMIN;

/// The collection `users`, for those who decide about accounts.
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
    /// [`StoreError::DuplicateKey`] names the index that refused it.
    pub async fn insert(&self, user: &UserRecord) -> Result<(), StoreError> {
        let document = bson::serialize_to_document(user).map_err(bson_error)?;
        within(self.handle.deadline, self.handle.collection.insert_one(document)).await?;
        Ok(())
    }

    /// The account with this id; tombstones are nobody. They are told apart here, because
    /// MongoDB plans a query for more than an id.
    pub async fn by_id(&self, id: uuid::Uuid) -> Result<Option<UserRecord>, StoreError> {
        let users = self.raw();
        let found = within(self.handle.deadline, users.find_one(doc! { "_id": Uuid::from(id) })).await?;
        let tombstoned = |user: &RawDocumentBuf| matches!(user.get("deletedAt"), Ok(Some(_)));
        found.filter(|user| !tombstoned(user)).map(|user| decode(&user)).transpose()
    }

    /// Whether there is an account with this id; tombstones are none.
    pub async fn exists(&self, id: uuid::Uuid) -> Result<bool, StoreError> {
        let filter = doc! { "_id": Uuid::from(id), "deletedAt": { "$exists": false } };
        let found = within(self.handle.deadline, async {
            self.handle.collection.find_one(filter).projection(doc! { "_id": 1 }).await
        })
        .await?;
        Ok(found.is_some())
    }

    /// The account whose current address has this key; a reserved one is nobody's.
    pub async fn by_email_key(&self, key: &str) -> Result<Option<UserRecord>, StoreError> {
        let found = self.find(doc! { "emailKeys": key }).await?;
        Ok(found.filter(|user| user.email_keys.first().is_some_and(|current| current == key)))
    }

    /// As [`by_email_key`](Self::by_email_key), for a login: see [`Self::find_for_login`].
    pub async fn find_for_login_by_email_key(&self, key: &str) -> Result<Option<UserRecord>, StoreError> {
        let found = self.find_for_login(doc! { "emailKeys": key }).await?;
        Ok(found.filter(|user| user.email_keys.first().is_some_and(|current| current == key)))
    }

    /// The account with this user name's key, for a login: see [`Self::find_for_login`].
    pub async fn find_for_login_by_username_key(&self, key: &str) -> Result<Option<UserRecord>, StoreError> {
        self.find_for_login(doc! { "usernameKey": key }).await
    }

    /// An account without what makes some larger than others (attributes, tokens, events,
    /// keys). Where there is none a decoy is read, so that both take as long.
    async fn find_for_login(&self, filter: Document) -> Result<Option<UserRecord>, StoreError> {
        let users = self.raw();
        let found = within(self.handle.deadline, async {
            users.find_one(filter).projection(dummy_user::login_projection()).await
        });
        let (document, is_dummy) = match found.await? {
            Some(document) => (document, false),
            None => (dummy_user::document(), true),
        };
        let user = std::hint::black_box(decode(&document)?);
        Ok(Some(user).filter(|_| !is_dummy))
    }

    /// The account that holds a one-time token with this digest.
    pub async fn by_token(&self, digest: [u8; 32]) -> Result<Option<UserRecord>, StoreError> {
        self.find(doc! { "tokens.hash": binary(&digest) }).await
    }

    /// The account that holds an undo link with this digest.
    pub async fn by_undo_token(&self, digest: [u8; 32]) -> Result<Option<UserRecord>, StoreError> {
        self.find(doc! { "undoTokens.hash": binary(&digest) }).await
    }

    /// The account of a one-time token with this digest that is used up.
    pub async fn by_used_token(&self, digest: [u8; 32]) -> Result<Option<UserRecord>, StoreError> {
        self.find(doc! { "usedTokens.hash": binary(&digest) }).await
    }

    /// The account that a registration with this key made. Read on the primary by a
    /// write that changes nothing, so that the answer is also acknowledged by a majority.
    pub async fn by_idempotency_key(&self, key: &str) -> Result<Option<UserRecord>, StoreError> {
        let users = self.raw();
        let found = within(self.handle.deadline, async {
            users
                .find_one_and_update(doc! { "idempotency.key": key }, doc! { "$set": { "idempotency.key": key } })
                .return_document(ReturnDocument::After)
                .await
        })
        .await?;
        found.map(|user| decode(&user)).transpose()
    }

    /// Forgets the idempotency keys whose time is over.
    pub async fn delete_expired_idempotency_keys(&self, now: jiff::Timestamp) -> Result<u64, StoreError> {
        let filter = doc! { "idempotency.until": { "$lt": DateTime::from(now) } };
        let result = within(self.handle.deadline, async {
            self.handle.collection.update_many(filter, doc! { "$unset": { "idempotency": "" } }).await
        })
        .await?;
        Ok(result.modified_count)
    }

    /// Active accounts made before `before` whose address was never verified, the oldest
    /// first; no admins.
    pub async fn unverified_before(&self, before: jiff::Timestamp, limit: i64) -> Result<Vec<UserRecord>, StoreError> {
        let filter = doc! {
            // Repeats the filter of the partial index.
            "emailVerified": false,
            "createdAt": { "$lt": DateTime::from(before) },
            // Whoever was taken over from another system has had no link before that.
            "imported.at": { "$not": { "$gte": DateTime::from(before) } },
            "status": "active",
            "roles": { "$ne": ADMIN },
        };
        within(self.handle.deadline, async {
            let cursor = self.handle.collection.find(filter).sort(doc! { "createdAt": 1 }).limit(limit).await?;
            cursor.with_type::<UserRecord>().try_collect().await
        })
        .await
    }

    pub(super) async fn find(&self, filter: Document) -> Result<Option<UserRecord>, StoreError> {
        let users = self.raw();
        let found = within(self.handle.deadline, users.find_one(filter)).await?;
        found.map(|user| decode(&user)).transpose()
    }

    /// The users as they come, to be read into their type at once.
    pub(super) fn raw(&self) -> Collection<RawDocumentBuf> {
        self.handle.collection.clone_with_type()
    }
}

pub(super) fn decode<T: DeserializeOwned>(document: &RawDocumentBuf) -> Result<T, StoreError> {
    bson::deserialize_from_slice(document.as_bytes()).map_err(bson_error)
}
