//! The lifetime of signing keys, on a real MongoDB. Time is simulated by moving the stored times back: only the
//! distance to the database's clock matters.
#![expect(clippy::disallowed_methods, reason = "a test waits for its own tasks")]
#![expect(clippy::unwrap_used, reason = "a test: what fails to unwrap fails the test")]

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use bson::{Binary, DateTime, Document, doc, spec::BinarySubtype};
use mongodb::Database;
use secrecy::ExposeSecret as _;
use test_support::{Stack, wait_for};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use user_service::{
    domain::{SigningAlgorithm, TokenType},
    keys::{KeyEncryptionKey, KeyPair, SigningKeys},
    store::Store,
    tokens::{AccessTokens, Jwts, Subject, TokenError},
};
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_secs(10);
const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// Returns the keys of a replica that has just read them, or `None` if it finds no key that signs.
async fn replica(database: &Database, secret: u8, ttl: Duration) -> Option<Arc<SigningKeys>> {
    let store = Store::new(database, DEADLINE, 100).keys;
    let encryption = KeyEncryptionKey::from_base64(&BASE64_STANDARD.encode([secret; 32]).into()).unwrap();
    let keys = SigningKeys::new(store, encryption, SigningAlgorithm::Es256, Duration::from_secs(30 * 24 * 3600), ttl);
    let stop = CancellationToken::new();
    let fresh = tokio::spawn(Arc::clone(&keys).keep_fresh(stop.clone()));
    let patience = if secret == OUR_SECRET { DEADLINE } else { Duration::from_secs(1) };
    let read = timeout(patience, keys.wait_until_loaded()).await;
    stop.cancel();
    fresh.await.unwrap();
    read.ok().map(|()| keys)
}

const OUR_SECRET: u8 = 1;
const TTL: Duration = Duration::from_secs(15 * 60);

async fn replica_with_our_key(database: &Database) -> Arc<SigningKeys> {
    replica(database, OUR_SECRET, TTL).await.expect("a key signs")
}

fn published_key_ids(keys: &SigningKeys) -> Vec<String> {
    keys.published_keys().unwrap().into_iter().map(|key| key.kid).collect()
}

async fn stored_keys(database: &Database) -> Vec<Document> {
    let set = database.collection::<Document>("keys").find_one(doc! {}).await.unwrap().expect("the key set exists");
    set.get_array("keys").unwrap().iter().map(|key| key.as_document().unwrap().clone()).collect()
}

/// Simulates that `millis` milliseconds pass.
async fn advance_time(database: &Database, millis: i64) {
    let back = |field: &str| doc! { "$cond": [{ "$eq": [{ "$type": field }, "missing"] }, "$$REMOVE", { "$subtract": [field, millis] }] };
    let times = doc! { "signFrom": back("$$this.signFrom"), "signUntil": back("$$this.signUntil") };
    let moved = doc! { "$map": { "input": "$keys", "in": { "$mergeObjects": ["$$this", times] } } };
    let update = vec![doc! { "$set": { "keys": moved } }];
    database.collection::<Document>("keys").update_one(doc! {}, update).await.unwrap();
}

async fn database(name: &str) -> Database {
    let database = Stack::from_env().mongodb().await.database(&format!("signing-keys-{name}-{}", std::process::id()));
    database.drop().await.unwrap();
    database
}

#[tokio::test]
async fn a_key_signs_is_replaced_and_is_removed_when_its_last_token_has_expired() {
    let database = database("life").await;
    let (one, other) = tokio::join!(replica_with_our_key(&database), replica_with_our_key(&database));
    let first = one.current_key().unwrap().kid;
    assert_eq!(other.current_key().unwrap().kid, first, "two replicas that start at once make one key");
    assert_eq!(published_key_ids(&one), std::slice::from_ref(&first));

    advance_time(&database, 31 * DAY).await;
    let rotated = replica_with_our_key(&database).await;
    let second = published_key_ids(&rotated).pop().unwrap();
    assert_eq!(published_key_ids(&rotated), [first.clone(), second.clone()]);
    assert_eq!(rotated.current_key().unwrap().kid, first, "the next key is public before it signs");
    let keys = stored_keys(&database).await;
    assert_eq!(keys[0].get_datetime("signUntil").unwrap(), keys[1].get_datetime("signFrom").unwrap());
    let lead = keys[1].get_datetime("signFrom").unwrap().timestamp_millis() - DateTime::now().timestamp_millis();
    assert!((9 * MINUTE..=10 * MINUTE).contains(&lead), "{lead} ms");

    advance_time(&database, 11 * MINUTE).await;
    let succeeded = replica_with_our_key(&database).await;
    assert_eq!(succeeded.current_key().unwrap().kid, second);
    assert!(succeeded.verifying_key(&first).await.is_some(), "tokens of the first key are still valid");

    // A key is removed 5 min + 15 min (token lifetime) + 1 min after its last signature.
    advance_time(&database, 19 * MINUTE).await;
    assert_eq!(published_key_ids(&*replica_with_our_key(&database).await).len(), 2);
    advance_time(&database, 2 * MINUTE).await;
    let alone = replica_with_our_key(&database).await;
    assert_eq!(published_key_ids(&alone), [second]);
    assert!(alone.verifying_key(&first).await.is_none());
}

/// Returns the algorithms of the published keys.
fn published_algorithms(keys: &SigningKeys) -> Vec<SigningAlgorithm> {
    keys.published_keys().unwrap().into_iter().map(|key| key.public.algorithm()).collect()
}

/// The replicas are configured for ES256.
#[tokio::test]
async fn a_rotation_keeps_the_algorithm_of_the_installation_and_not_the_configured_one() {
    let database = database("algorithm").await;
    replica_with_our_key(&database).await;
    let keys = database.collection::<Document>("keys");
    keys.update_one(doc! {}, doc! { "$set": { "algorithm": "RS256" } }).await.unwrap();
    advance_time(&database, 31 * DAY).await;
    let rotated = replica_with_our_key(&database).await;
    assert_eq!(published_algorithms(&rotated), [SigningAlgorithm::Es256, SigningAlgorithm::Rs256]);
}

#[tokio::test]
async fn the_keys_of_an_installation_of_0_1_0_are_rotated_in_a_form_that_0_1_0_reads() {
    let database = database("released").await;
    let encryption = KeyEncryptionKey::from_base64(&BASE64_STANDARD.encode([OUR_SECRET; 32]).into()).unwrap();
    let seed = [7_u8; 32];
    // The thumbprint of the public key of this seed.
    let kid = KeyPair::from_private(SigningAlgorithm::EdDsa, &seed).unwrap().public().jwk().thumbprint();
    let sealed = encryption.seal(&format!("signing-key/{kid}"), &seed);
    let private = Binary { subtype: BinarySubtype::Generic, bytes: sealed };
    let key = doc! { "kid": &kid, "private": private, "longestTtlMs": 15 * MINUTE, "signFrom": DateTime::now() };
    let document = doc! { "_id": "signing", "schemaVersion": 1, "version": 1_i64, "keys": [key] };
    database.collection::<Document>("keys").insert_one(document).await.unwrap();

    let replica = replica_with_our_key(&database).await;
    assert_eq!(replica.current_key().unwrap().kid, kid);
    assert_eq!(replica.current_key().unwrap().required_type, Some(TokenType::AtJwt));
    advance_time(&database, 31 * DAY).await;
    let rotated = replica_with_our_key(&database).await;
    assert_eq!(published_algorithms(&rotated), [SigningAlgorithm::EdDsa; 2]);
    let ids = database.collection::<Document>("keys").distinct("_id", doc! {}).await.unwrap();
    assert_eq!(ids, [bson::Bson::from("signing")]);
    for key in stored_keys(&database).await {
        let mut members: Vec<&str> = key.keys().map(String::as_str).filter(|name| *name != "signUntil").collect();
        members.sort_unstable();
        assert_eq!(members, ["kid", "longestTtlMs", "private", "signFrom"]);
    }
}

#[tokio::test]
async fn a_key_is_kept_longer_when_its_tokens_live_longer() {
    let database = database("longer").await;
    replica_with_our_key(&database).await;
    replica(&database, OUR_SECRET, Duration::from_secs(3600)).await.unwrap();
    assert_eq!(stored_keys(&database).await[0].get_i64("longestTtlMs").unwrap(), 60 * MINUTE);
    // With a shorter lifetime again, tokens that were issued meanwhile are still valid.
    replica_with_our_key(&database).await;
    assert_eq!(stored_keys(&database).await[0].get_i64("longestTtlMs").unwrap(), 60 * MINUTE);
}

#[tokio::test]
async fn a_replica_with_another_key_encryption_key_is_not_ready_and_changes_nothing() {
    let database = database("stranger").await;
    replica_with_our_key(&database).await;
    // A new key is due the second time. Sealed with the other key-encryption key, it could be opened by no other replica.
    for days in [0, 31] {
        advance_time(&database, days * DAY).await;
        let before = stored_keys(&database).await;
        assert!(replica(&database, 2, TTL).await.is_none());
        assert_eq!(stored_keys(&database).await, before);
    }
}

/// Only the verification of the signature is cached; whether the token is still valid is not.
#[tokio::test]
async fn a_token_that_was_verified_before_ends_when_it_expires_and_when_its_key_is_removed() {
    let database = database("verified").await;
    let keys = replica_with_our_key(&database).await;
    let jwts = Jwts::new(Arc::clone(&keys), "issuer".into(), "audience".into(), TokenType::Jwt);
    let tokens = |ttl| AccessTokens::new(jwts.clone(), ttl);
    let id = Uuid::from_u128(1);
    let (brief, long) = (tokens(Duration::from_secs(2)), tokens(TTL));
    let ends_at = jiff::Timestamp::MAX;
    let subject = || Subject { user: id, roles: &[], configured: serde_json::Map::new() };
    let token =
        |tokens: &AccessTokens| tokens.issue(subject(), id, 1, id, ends_at).unwrap().token.expose_secret().to_owned();

    let ends = token(&brief);
    assert_eq!(brief.verify(&ends).await.unwrap().sub, id);
    wait_for(DEADLINE, "the token expires", async || {
        matches!(brief.verify(&ends).await, Err(TokenError::Expired)).then_some(())
    })
    .await;

    let stays = token(&long);
    let verified = long.verify(&stays).await.unwrap();
    assert_eq!(long.verify(&stays).await.unwrap(), verified);
    for days in [31, 1] {
        advance_time(&database, days * DAY).await;
        // The first turn creates the next key, the second one removes the old one.
        replica_with_our_key(&database).await;
    }
    wait_for(DEADLINE, "the key of the token is removed", async || {
        // An unknown key causes the key set to be read again.
        assert!(keys.verifying_key("unknown").await.is_none());
        matches!(long.verify(&stays).await, Err(TokenError::Invalid)).then_some(())
    })
    .await;
}
