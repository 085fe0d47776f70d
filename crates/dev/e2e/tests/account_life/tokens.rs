//! Access tokens, refresh tokens and logout.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bson::{Uuid, doc};
use e2e::{
    accounts::{register, register_with_id, with_cheap_hashes},
    published_key_set,
    start::{start_user_service, start_user_service_with},
};
use serde_json::{Value, json};
use test_support::{Api, Stack, Tokens, World, count};

pub(crate) async fn refresh(api: &Api, token: &str) -> Tokens {
    Tokens::from_response(&api.refresh(token).await.expect(200))
}

pub(crate) async fn assert_refresh_refused(api: &Api, token: &str) {
    let _ = api.refresh(token).await.expect_problem(401, "unauthorized");
}

#[tokio::test]
async fn an_access_token_can_be_verified_with_the_published_key_set() {
    let (world, _service, api) = start_user_service("jwks").await;
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    let before = unix_seconds();
    let tokens = api.login(&ada).await;

    let set = api.get("/.well-known/jwks.json").await.expect(200);
    assert_eq!(set.header("cache-control"), "public, max-age=300");
    let set = set.json();
    let (header, body) = published_key_set::verify(&tokens.access, &set).expect("the signature is genuine");
    assert_eq!(header["typ"], "JWT");
    assert_eq!(header["alg"], "ES256");
    let keys = set["keys"].as_array().expect("a key set has keys");
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).expect("the signing key is published");
    assert_eq!(json!([key["kty"], key["crv"], key["alg"], key["use"]]), json!(["EC", "P-256", "ES256", "sig"]));
    assert!(key.get("d").is_none(), "the key set contains a private key");

    assert_eq!(body["iss"], "http://localhost:3000");
    assert_eq!(body["aud"], "user-service");
    assert_eq!(body["client_id"], "user-service");
    assert_eq!(body["sub"], id);
    assert_eq!(body["roles"], json!([]));
    assert_eq!(body["epoch"], 1);
    for uuid in ["jti", "sid"] {
        assert!(Uuid::parse_str(body[uuid].as_str().unwrap_or_default()).is_ok(), "{uuid}");
    }
    let (issued, expires) = (body["iat"].as_i64().unwrap_or(0), body["exp"].as_i64().unwrap_or(0));
    assert_eq!(expires - issued, 15 * 60);
    assert!((before - 5..=before + 60).contains(&issued), "{issued}");
    let other = decode_part(api.login(&ada).await.access.split('.').nth(1).unwrap_or_default());
    assert_ne!(other["jti"], body["jti"]);
    assert_ne!(other["sid"], body["sid"]);
}

#[tokio::test]
async fn a_system_that_knows_only_the_issuer_finds_the_keys() {
    let world = World::new(&Stack::from_env(), "issuer").await;
    let spec = with_cheap_hashes(world.user_service());
    // The issuer is the address of the service, as seen by the other system.
    let issuer = spec.base_url();
    let service = spec.set("AUTH__ISSUER", &issuer).start().await;
    let api = service.api();
    let ada = register(&world, &api, "ada").await;
    let tokens = api.login(&ada).await;

    let found = api.get("/.well-known/openid-configuration").await.expect(200);
    assert_eq!(found.header("cache-control"), "public, max-age=300");
    let found = found.json();
    assert_eq!(found, api.get("/.well-known/oauth-authorization-server").await.expect(200).json());
    let keys = found["jwks_uri"].as_str().and_then(|uri| uri.strip_prefix(&issuer)).expect("an address of the service");
    let (_, claims) =
        published_key_set::verify(&tokens.access, &api.get(keys).await.expect(200).json()).expect("genuine");
    assert_eq!(claims["iss"], found["issuer"]);
}

#[tokio::test]
async fn an_issuer_that_is_no_url_has_no_documents() {
    let (_world, _service, api) = start_user_service_with("acme", &[("AUTH__ISSUER", "acme")]).await;
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let _ = api.get(path).await.expect_problem(404, "not-found");
    }
}

fn decode_part(part: &str) -> Value {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).expect("a part of a JWT is base64url");
    serde_json::from_slice(&bytes).expect("a part of a JWT is JSON")
}

#[tokio::test]
async fn logout_ends_the_session_and_does_not_reveal_whether_there_was_one() {
    let (world, _service, api) = start_user_service("logout").await;
    let ada = register(&world, &api, "ada").await;
    let logout = async |token: &str| {
        let answer = api.post("/api/auth/logout", &json!({ "refreshToken": token })).await.expect(204);
        assert!(answer.text.is_empty(), "{}", answer.text);
    };
    let first = api.login(&ada).await;
    // Only two bits of the last character count, so another last character may encode the same bytes.
    let before_last = first.refresh.len() - 2;
    let other = if first.refresh[before_last..].starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{}{other}{}", &first.refresh[..before_last], &first.refresh[before_last + 1..]);
    for nonsense in ["", "x", "ä\u{0}", &"A".repeat(10_000), &forged, &first.access] {
        logout(nonsense).await;
    }
    let second = refresh(&api, &first.refresh).await;
    // Any genuine token of the session ends it, including the previous one.
    logout(&first.refresh).await;
    assert_refresh_refused(&api, &second.refresh).await;
    logout(&second.refresh).await;
    assert_eq!(count(&world.user_collection("sessions").await, doc! {}).await, 0);
    tokio::time::timeout(Duration::from_secs(5), api.login(&ada)).await.expect("a new session begins");
}

/// Returns the current time. The service uses the clock of this machine.
fn unix_seconds() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("the time is after 1970");
    i64::try_from(since.as_secs()).expect("the time fits")
}
