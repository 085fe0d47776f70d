//! The configured claims of access tokens.

use std::fs;

use bson::doc;
use e2e::{
    accounts::{update_user, with_cheap_hashes},
    commands::{assert_start_refused, stdout_of},
    published_key_set,
};
use serde_json::{Value, json};
use test_support::{Api, ServiceSpec, Stack, Tokens, World};

/// Returns a spec whose schema of attributes lets only administrators write `tenant` and `groups`.
fn with_schema(world: &World) -> ServiceSpec {
    let schema = json!({
        "properties": {
            "tenant": { "type": "string", "x-admin-only": true },
            "groups": { "type": "array", "x-admin-only": true },
            "team": { "type": "string" },
        },
        "additionalProperties": false,
    });
    let file = world.keys().join("attributes.json");
    fs::write(&file, schema.to_string()).expect("the schema can be written");
    with_cheap_hashes(world.user_service()).set("ATTRIBUTES__SCHEMA_FILE", file.display().to_string())
}

async fn claims(api: &Api, token: &str) -> Value {
    let keys = api.get("/.well-known/jwks.json").await.expect(200).json();
    published_key_set::verify(token, &keys).expect("the token is genuine").1
}

#[tokio::test]
async fn a_token_says_what_is_configured_as_it_was_when_the_token_was_issued() {
    let world = World::new(&Stack::from_env(), "claims").await;
    let spec = with_schema(&world).set_all(&[
        ("AUTH__CLAIMS__EMAIL", "email"),
        ("AUTH__CLAIMS__EMAIL_VERIFIED", "email_verified"),
        ("AUTH__CLAIMS__PREFERRED_USERNAME", "username"),
        ("AUTH__CLAIMS__LOCALE", "locale"),
        ("AUTH__CLAIMS__TENANT", "attributes.tenant"),
        ("AUTH__CLAIMS__GROUPS", "attributes.groups"),
        ("AUTH__CLAIMS__TEAM", "attributes.team"),
    ]);
    let printed = stdout_of(&spec.command(&["check-config"]).await, 0);
    assert!(printed.contains("email_verified = \"email_verified\""), "{printed}");
    let service = spec.start().await;
    let log = service.log();
    assert!(log.contains("email, locale, preferred_username, team") && log.contains("must grant nothing"), "{log}");
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = api.post("/api/users", &ada.registration_with("attributes", json!({ "team": "core" }))).await.expect(201);

    let first = api.login(&ada).await;
    let before = claims(&api, &first.access).await;
    assert_eq!(before["email"], ada.email);
    assert_eq!(before["email_verified"], false);
    assert_eq!(before["preferred_username"], ada.username);
    assert_eq!(before["team"], "core");
    for missing in ["tenant", "groups", "locale"] {
        assert_eq!(before.get(missing), None, "{missing}");
    }
    for own in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "sid", "epoch", "roles"] {
        assert!(before.get(own).is_some(), "{own}");
    }

    // A change is in the next token; the token before it stays as it is, and valid.
    let attributes = json!({ "tenant": "acme", "groups": ["staff"], "team": "x".repeat(255) }).to_string();
    let change = doc! { "$set": { "attributes": attributes, "locale": "fr-CA", "emailVerified": true } };
    update_user(&world, &ada.email, change).await;
    let _ = api.with_token(&first.access).get("/api/users/me").await.expect(200);
    let next = Tokens::from_response(&api.refresh(&first.refresh).await.expect(200));
    let after = claims(&api, &next.access).await;
    assert_eq!(json!([after["tenant"], after["groups"], after["locale"]]), json!(["acme", ["staff"], "fr-CA"]));
    assert_eq!(after["email_verified"], true);
    assert_eq!(after.get("team"), None, "a value of more than 256 bytes is left out");
}

/// The longest names of roles, the longest claims and the longest signature.
#[tokio::test]
async fn the_longest_token_of_a_user_is_accepted() {
    let world = World::new(&Stack::from_env(), "longest").await;
    let mut spec = with_cheap_hashes(world.user_service()).set("AUTH__SIGNING_ALGORITHM", "RS256");
    for n in 0..16 {
        spec = spec.set(&format!("AUTH__CLAIMS__LONG_CLAIM_{n:02}"), format!("attributes.c{n:02}"));
    }
    let service = spec.start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let attributes: Value = (0..16).map(|n| (format!("c{n:02}"), json!("x".repeat(28)))).collect();
    let _ = api.post("/api/users", &ada.registration_with("attributes", attributes)).await.expect(201);
    let roles: Vec<String> = (0..32).map(|n| format!("{n:032}")).collect();
    update_user(&world, &ada.email, doc! { "$set": { "roles": roles } }).await;

    let tokens = api.login(&ada).await;
    let claims = claims(&api, &tokens.access).await;
    assert_eq!(claims["roles"].as_array().map(Vec::len), Some(32));
    assert_eq!(claims["long_claim_15"], "x".repeat(28));
    assert!((3072..4096).contains(&tokens.access.len()), "{}", tokens.access.len());
    let _ = api.with_token(&tokens.access).get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn a_claim_that_must_not_be_in_a_token_is_refused_at_the_start() {
    let world = World::without_topic(&Stack::from_env(), "unfit");
    let spec = with_schema(&world);
    for (name, source, reason) in [
        ("SUB", "username", "`sub` already says something about the token"),
        ("ROLES", "attributes.groups", "`roles` already says"),
        ("SCOPE", "attributes.groups", "`scope` already says"),
        ("GROUPS", "attributes.team", "`groups` grants something"),
        ("PERMISSIONS", "username", "`permissions` grants something"),
        ("EMAIL_VERIFIED", "attributes.team", "`email_verified` says who a user is"),
        ("TENANT", "attributes.tenent", "does not allow `attributes.tenent`"),
        ("TENANT", "tenant", "`tenant` is none of"),
    ] {
        let _ = assert_start_refused(
            &spec.replica().set(&format!("AUTH__CLAIMS__{name}"), source),
            &["auth.claims", reason],
        )
        .await;
    }
}
