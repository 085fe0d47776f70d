//! The clients: one document for each, with the digests of its secrets and the tokens that it has revoked. Each change is
//! one write, by the clock of the database.

use bson::{Binary, DateTime, Document, Uuid, doc};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use mongodb::options::ReturnDocument;
use serde::{Deserialize, Serialize};
use service_kit::mongo::{StoreError, with_deadline};

use super::collection::{CollectionHandle, SCHEMA_VERSION, binary, bson_error};
use crate::domain::{
    Client, ClientId, Scopes,
    client::{ClientName, MAX_SECRETS},
};

/// The maximum number of revoked tokens that a client keeps. One more revokes all tokens of the client.
const MAX_REVOKED_TOKENS: i32 = 100;
/// How far the clock that stamps tokens may be ahead of the database's: the second of the stamp, and the estimate of the
/// database's clock. A token that is issued within this time after all were revoked is refused, and the client requests
/// another one.
const STAMP_TOLERANCE_MS: i64 = 2000;

/// A client as it is stored in the collection `clients`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientRecord {
    #[serde(rename = "_id")]
    id: Uuid,
    schema_version: i32,
    name: String,
    scopes: Vec<String>,
    disabled: bool,
    created_at: DateTime,
    /// At most [`MAX_SECRETS`], the oldest first.
    secrets: Vec<SecretRecord>,
    /// At most [`MAX_REVOKED_TOKENS`]. Those that have expired are removed when another one is added.
    revoked_tokens: Vec<RevokedToken>,
    /// Tokens that were issued until this time are revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_revoked_until: Option<DateTime>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretRecord {
    /// The SHA-256 digest.
    hash: Binary,
    created_at: DateTime,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RevokedToken {
    id: Uuid,
    expires_at: DateTime,
}

impl ClientRecord {
    /// Creates the document of a new client with its first secret.
    #[must_use]
    pub fn new(id: ClientId, name: &ClientName, scopes: &Scopes, secret: &[u8; 32], now: Timestamp) -> Self {
        Self {
            id: uuid::Uuid::from(id).into(),
            schema_version: SCHEMA_VERSION,
            name: name.as_str().to_owned(),
            scopes: scopes.names().map(str::to_owned).collect(),
            disabled: false,
            created_at: now.into(),
            secrets: vec![SecretRecord { hash: binary(secret), created_at: now.into() }],
            revoked_tokens: Vec::new(),
            tokens_revoked_until: None,
        }
    }

    /// Returns the client, without its secrets.
    #[must_use]
    pub fn client(&self) -> Client {
        Client {
            id: uuid::Uuid::from(self.id).into(),
            name: self.name.clone(),
            scopes: Scopes::from_stored(&self.scopes),
            disabled: self.disabled,
            created_at: self.created_at.into(),
            secrets: self.secrets.iter().map(|secret| secret.created_at.into()).collect(),
        }
    }

    /// Returns whether the client is disabled.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.disabled
    }

    /// Returns the digests of the valid secrets.
    pub fn secret_digests(&self) -> impl Iterator<Item = &[u8]> {
        self.secrets.iter().map(|secret| secret.hash.bytes.as_slice())
    }

    /// Returns whether the client may use this token, which it got at `issued_at`.
    #[must_use]
    pub fn accepts_token(&self, token: uuid::Uuid, issued_at: Timestamp) -> bool {
        !self.disabled
            && self.tokens_revoked_until.is_none_or(|until| issued_at > until.to_jiff())
            && self.revoked_tokens.iter().all(|revoked| uuid::Uuid::from(revoked.id) != token)
    }
}

/// The collection `clients`.
#[derive(Clone)]
pub struct ClientStore {
    handle: CollectionHandle,
}

impl ClientStore {
    pub(super) fn new(handle: CollectionHandle) -> Self {
        Self { handle }
    }

    /// Inserts a new client.
    pub async fn insert(&self, client: &ClientRecord) -> Result<(), StoreError> {
        let document = bson::serialize_to_document(client).map_err(bson_error)?;
        with_deadline(self.handle.deadline, self.handle.collection.insert_one(document)).await?;
        Ok(())
    }

    /// Returns the client with this id.
    pub async fn by_id(&self, id: ClientId) -> Result<Option<ClientRecord>, StoreError> {
        let found = with_deadline(self.handle.deadline, self.handle.collection.find_one(filter(id))).await?;
        found.map(bson::deserialize_from_document).transpose().map_err(bson_error)
    }

    /// Returns at most `limit` clients after the client `after`, newest first: their ids begin with the time.
    pub async fn page(&self, after: Option<ClientId>, limit: i64) -> Result<Vec<ClientRecord>, StoreError> {
        let filter = after.map_or_else(Document::new, |id| doc! { "_id": { "$lt": Uuid::from(uuid::Uuid::from(id)) } });
        with_deadline(self.handle.deadline, async {
            let cursor = self.handle.collection.find(filter).sort(doc! { "_id": -1 }).limit(limit).await?;
            cursor.with_type::<ClientRecord>().try_collect().await
        })
        .await
    }

    /// Adds a secret, and drops the older one of two. Returns `None` if there is no such client.
    pub async fn add_secret(&self, id: ClientId, digest: &[u8; 32]) -> Result<Option<ClientRecord>, StoreError> {
        let added = doc! { "hash": binary(digest), "createdAt": "$$NOW" };
        let newest = doc! { "$slice": [{ "$concatArrays": ["$secrets", [added]] }, -MAX_SECRETS] };
        self.change(id, vec![doc! { "$set": { "secrets": newest } }]).await
    }

    /// Drops all secrets except the newest one. Returns `None` if there is no such client.
    pub async fn drop_old_secret(&self, id: ClientId) -> Result<Option<ClientRecord>, StoreError> {
        self.change(id, vec![doc! { "$set": { "secrets": { "$slice": ["$secrets", -1] } } }]).await
    }

    /// Disables the client, and revokes its tokens for good: they stay revoked when it is enabled again. Returns `None` if
    /// there is no such client.
    pub async fn disable(&self, id: ClientId) -> Result<Option<ClientRecord>, StoreError> {
        let set = doc! { "disabled": true, "tokensRevokedUntil": all_issued_until_now(), "revokedTokens": [] };
        self.change(id, vec![doc! { "$set": set }]).await
    }

    /// Enables the client. Returns `None` if there is no such client.
    pub async fn enable(&self, id: ClientId) -> Result<Option<ClientRecord>, StoreError> {
        self.change(id, vec![doc! { "$set": { "disabled": false } }]).await
    }

    /// Revokes a token of the client, which expires at `expires_at`. Forgets those that have expired. If the list is full,
    /// all tokens of the client are revoked instead. Returns `None` if there is no such client.
    pub async fn revoke_token(
        &self,
        id: ClientId,
        token: uuid::Uuid,
        expires_at: Timestamp,
    ) -> Result<Option<ClientRecord>, StoreError> {
        let token = Uuid::from(token);
        let others = doc! { "$filter": {
            "input": "$revokedTokens",
            "cond": { "$and": [{ "$gt": ["$$this.expiresAt", "$$NOW"] }, { "$ne": ["$$this.id", token] }] },
        } };
        let added = doc! { "id": token, "expiresAt": DateTime::from(expires_at) };
        let is_full = doc! { "$gte": [{ "$size": "$revokedTokens" }, MAX_REVOKED_TOKENS] };
        let revoke = doc! {
            "tokensRevokedUntil": { "$cond": [&is_full, all_issued_until_now(), "$tokensRevokedUntil"] },
            "revokedTokens": { "$cond": [is_full, [], { "$concatArrays": ["$revokedTokens", [added]] }] },
        };
        self.change(id, vec![doc! { "$set": { "revokedTokens": others } }, doc! { "$set": revoke }]).await
    }

    async fn change(&self, id: ClientId, update: Vec<Document>) -> Result<Option<ClientRecord>, StoreError> {
        let written = with_deadline(self.handle.deadline, async {
            self.handle.collection.find_one_and_update(filter(id), update).return_document(ReturnDocument::After).await
        })
        .await?;
        written.map(bson::deserialize_from_document).transpose().map_err(bson_error)
    }
}

/// Returns the expression for `tokensRevokedUntil` that revokes all tokens.
fn all_issued_until_now() -> Document {
    doc! { "$add": ["$$NOW", STAMP_TOLERANCE_MS] }
}

fn filter(id: ClientId) -> Document {
    doc! { "_id": Uuid::from(uuid::Uuid::from(id)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_accepted_unless_it_was_revoked_alone_or_with_all_others_or_the_client_is_disabled() {
        let (now, token) = (Timestamp::from_second(1000).unwrap(), uuid::Uuid::from_u128(7));
        let name = ClientName::parse("a name").unwrap();
        let scopes = Scopes::parse(["users:read"]).unwrap();
        let client = ClientRecord::new(uuid::Uuid::max().into(), &name, &scopes, &[7; 32], now);
        assert!(client.accepts_token(token, now));
        let expires_at = DateTime::from(now);
        let revoked = |id: u128| RevokedToken { id: uuid::Uuid::from_u128(id).into(), expires_at };
        let one = ClientRecord { revoked_tokens: vec![revoked(6), revoked(7)], ..client.clone() };
        assert!(!one.accepts_token(token, now) && one.accepts_token(uuid::Uuid::from_u128(8), now));
        let all = ClientRecord { tokens_revoked_until: Some(now.into()), ..client.clone() };
        assert!(!all.accepts_token(token, now));
        assert!(all.accepts_token(token, Timestamp::from_second(1001).unwrap()));
        assert!(!ClientRecord { disabled: true, ..client }.accepts_token(token, now));
    }

    #[test]
    fn a_document_of_a_later_release_is_read_without_its_new_scopes() {
        let (name, scopes) = (ClientName::parse("n").unwrap(), Scopes::parse(["users:read"]).unwrap());
        let client = ClientRecord::new(uuid::Uuid::max().into(), &name, &scopes, &[7; 32], Timestamp::UNIX_EPOCH);
        let mut stored = bson::serialize_to_document(&client).unwrap();
        stored.insert("later", 1);
        stored.insert("scopes", vec!["users:read", "later:scope"]);
        let read: ClientRecord = bson::deserialize_from_document(stored).unwrap();
        assert_eq!(read.client().scopes, scopes);
        assert_eq!(read.secret_digests().collect::<Vec<_>>(), [[7; 32]]);
    }
}
