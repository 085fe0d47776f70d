//! A dummy user, which is decoded when a login finds no account. Decoding a document takes longer than decoding
//! none, so without it the response time would reveal whether an account exists.

use std::sync::LazyLock;

use bson::{DateTime, Document, RawDocumentBuf, Uuid, doc};

use super::collection::{SCHEMA_VERSION, binary};

/// The document as the database would send it.
static DUMMY: LazyLock<RawDocumentBuf> =
    LazyLock::new(|| RawDocumentBuf::try_from(&build()).expect("a document of plain values is BSON"));

/// Returns the projection that excludes the fields that a login does not need and that make some accounts larger
/// than others.
pub(super) fn login_projection() -> Document {
    doc! {
        "attributes": 0,
        "tokens": 0,
        "undoTokens": 0,
        "pendingEvents": 0,
        "idempotency": 0,
        "reserved": 0,
        "reservedUsernames": 0,
        "totpSetup": 0,
        "usedTokens": 0,
        "invitation": 0,
    }
}

/// Returns the document in newly allocated memory, as if it had just been received.
pub(super) fn document() -> RawDocumentBuf {
    DUMMY.clone()
}

/// Builds the document of a user who has logged in before, as most users have.
fn build() -> Document {
    let (id, then) = (Uuid::from_bytes([0; 16]), DateTime::from_millis(0));
    doc! {
        "_id": id,
        "schemaVersion": SCHEMA_VERSION,
        "version": 3_i64,
        "username": "placeholder.username",
        "usernameKey": "placeholder.username",
        "email": "placeholder.username@example.org",
        "emailKeys": ["placeholder.username@example.org"],
        "emailVerified": true,
        "displayName": "Placeholder Username",
        "roles": [],
        "status": "active",
        "passwordHash": format!("$argon2id$v=19$m=19456,t=2,p=1${}${}", "A".repeat(22), "A".repeat(43)),
        "sessions": { "epoch": 1_i64 },
        "createdAt": then,
        "updatedAt": then,
        "lastLoginAt": then,
        "knownNetworks": [{ "network": binary(&[0; 32]), "lastSeen": then }],
        "signInPlaces": [{ "place": binary(&[0; 16]), "lastSeen": then }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::UserRecord;

    #[test]
    fn the_dummy_user_is_decoded_like_any_account() {
        let user: UserRecord = bson::deserialize_from_slice(document().as_bytes()).unwrap();
        assert!(user.password_hash().is_ok() && user.known_networks.len() == 1);
        assert_eq!(user.sign_in_places().len(), 1);
        assert!(login_projection().keys().all(|field| matches!(document().get(field), Ok(None))));
    }
}
