//! The algorithm of access tokens, and its change in a running installation.

use std::collections::BTreeSet;

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use bson::{Document, doc};
use e2e::{
    accounts::{register, with_cheap_hashes},
    commands::stdout_of,
    published_key_set,
    signing_key_time::{MINUTE, advance_signing_key_time},
    start::start_user_service_with,
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use test_support::{Api, DEADLINE, Service, Stack, Tokens, World, wait_for};

async fn key_set(api: &Api) -> Value {
    api.get("/.well-known/jwks.json").await.expect(200).json()
}

fn algorithms(key_set: &Value) -> Vec<String> {
    let keys = key_set["keys"].as_array().expect("a key set has keys");
    keys.iter().map(|key| key["alg"].as_str().expect("a key has an algorithm").to_owned()).collect()
}

/// Returns `typ` and `alg` of a token that the published keys of this replica verify.
async fn verified_header(api: &Api, token: &str) -> (String, String) {
    let (header, _) = published_key_set::verify(token, &key_set(api).await).expect("a published key verifies");
    let text = |name: &str| header[name].as_str().expect("a text").to_owned();
    (text("typ"), text("alg"))
}

/// Waits until a replica publishes keys of these algorithms. A token with an unknown key id makes it read the keys again.
async fn wait_for_published(api: &Api, expected: &[&str]) {
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "alg": "ES256", "typ": "JWT", "kid": "unknown" }));
    let stranger = api.with_token(&format!("{header}.{}.AAAA", part(json!({}))));
    wait_for(DEADLINE, "the keys are published", async || {
        let _ = stranger.get("/api/users/me").await.expect_problem(401, "unauthorized");
        (algorithms(&key_set(api).await) == expected).then_some(())
    })
    .await;
}

async fn stored(world: &World, id: &str) -> Option<Document> {
    world.user_collection("keys").await.find_one(doc! { "_id": id }).await.expect("MongoDB answers")
}

/// Turns the stored keys into those of an installation of release 0.1.0, which knows Ed25519 only.
async fn store_as_0_1_0(world: &World) -> Document {
    let mut document = stored(world, "signing-keys").await.expect("the first start has made a key");
    document.insert("_id", "signing");
    assert_eq!(document.remove("algorithm"), Some("EdDSA".into()));
    for key in document.get_array_mut("keys").expect("a key set has keys") {
        let key = key.as_document_mut().expect("a key is a document");
        assert_eq!(key.remove("alg"), Some("EdDSA".into()));
    }
    let keys = world.user_collection("keys").await;
    keys.delete_one(doc! { "_id": "signing-keys" }).await.expect("MongoDB answers");
    keys.insert_one(&document).await.expect("MongoDB answers");
    document
}

async fn assert_accepted(replicas: &[&Api], tokens: &[&Tokens]) {
    for api in replicas {
        for tokens in tokens {
            let _ = api.with_token(&tokens.access).get("/api/users/me").await.expect(200);
        }
    }
}

/// Runs `keys algorithm NAME`, and returns its output.
async fn change_algorithm(service: &Service, name: &str) -> Value {
    let output = service.spec().command(&["keys", "algorithm", name, "--json"]).await;
    serde_json::from_str(&stdout_of(&output, 0)).expect("the output is JSON")
}

#[tokio::test]
async fn a_change_of_the_algorithm_ends_no_session_and_all_replicas_accept_the_tokens_of_all_keys() {
    let (world, service, api) = start_user_service_with("algorithm", &[("AUTH__SIGNING_ALGORITHM", "EdDSA")]).await;
    let ada = register(&world, &api, "ada").await;
    drop(service);
    let before = store_as_0_1_0(&world).await;

    // An installation of 0.1.0 keeps its algorithm and its type, whatever the default of this release is.
    let first = with_cheap_hashes(world.user_service());
    let second = first.replica();
    let (first, second) = tokio::join!(first.start(), second.start());
    let (one, other) = (first.api(), second.api());
    assert!(first.log().contains("`user-service keys algorithm` changes it"), "{}", first.log());
    let old = one.login(&ada).await;
    assert_eq!(verified_header(&other, &old.access).await, ("at+jwt".to_owned(), "EdDSA".to_owned()));
    assert_accepted(&[&one, &other], &[&old]).await;
    assert_eq!(stored(&world, "signing-keys").await, None);

    // Several operators at once make one key.
    let changes = join_all((0..4).map(|_| change_algorithm(&first, "ES256"))).await;
    assert_eq!(changes.iter().filter(|change| change["changed"] == true).count(), 1, "{changes:?}");
    let ids: BTreeSet<&str> = changes.iter().filter_map(|change| change["keyId"].as_str()).collect();
    assert_eq!(ids.len(), 1, "{changes:?}");
    let again = first.spec().command(&["keys", "algorithm", "ES256"]).await;
    let again = stdout_of(&again, 0);
    assert!(again.starts_with("nothing was changed") && again.contains("signs from"), "{again}");
    assert_eq!(stored(&world, "signing").await, Some(before), "0.1.0 still finds its keys");

    // Both keys are published before the new one signs.
    for api in [&one, &other] {
        wait_for_published(api, &["EdDSA", "ES256"]).await;
    }
    let between = one.login(&ada).await;
    assert_eq!(verified_header(&other, &between.access).await, ("JWT".to_owned(), "EdDSA".to_owned()));
    advance_signing_key_time(&world, 11 * MINUTE).await;
    let new = wait_for(DEADLINE, "the new key signs", async || {
        wait_for_published(&one, &["EdDSA", "ES256"]).await;
        let tokens = one.login(&ada).await;
        (verified_header(&other, &tokens.access).await.1 == "ES256").then_some(tokens)
    })
    .await;
    assert_accepted(&[&one, &other], &[&old, &between, &new]).await;

    // Every session is refreshed, also after the old key has gone.
    let refreshed = Tokens::from_response(&one.refresh(&old.refresh).await.expect(200));
    assert_eq!(verified_header(&other, &refreshed.access).await, ("JWT".to_owned(), "ES256".to_owned()));
    advance_signing_key_time(&world, 22 * MINUTE).await;
    for api in [&one, &other] {
        wait_for_published(api, &["ES256"]).await;
        let _ = api.with_token(&old.access).get("/api/users/me").await.expect_problem(401, "unauthorized");
        assert_accepted(&[api], &[&new, &refreshed]).await;
    }
    let _ = other.refresh(&between.refresh).await.expect(200);

    // A later change starts from the present algorithm, and a change back is one more rotation.
    assert_eq!(change_algorithm(&second, "RS256").await["changed"], true);
    wait_for_published(&one, &["ES256", "RS256"]).await;
    assert_eq!(change_algorithm(&second, "ES256").await["changed"], true);
    wait_for_published(&one, &["ES256", "RS256", "ES256"]).await;
    assert_accepted(&[&one], &[&new, &refreshed]).await;
}

#[tokio::test]
async fn the_configuration_decides_only_for_a_new_installation() {
    for (algorithm, members) in [("RS256", &["n", "e"][..]), ("EdDSA", &["crv", "x"]), ("ES256", &["crv", "x", "y"])] {
        let settings = [("AUTH__SIGNING_ALGORITHM", algorithm), ("AUTH__TOKEN_TYPE", "at+jwt")];
        let (world, service, api) = start_user_service_with("new", &settings).await;
        let ada = register(&world, &api, "ada").await;
        let tokens = api.login(&ada).await;
        assert_eq!(verified_header(&api, &tokens.access).await, ("at+jwt".to_owned(), algorithm.to_owned()));
        assert_eq!(stored(&world, "signing").await, None, "0.1.0 would take every key for Ed25519");
        let set = key_set(&api).await;
        let key = set["keys"][0].as_object().expect("a key is an object");
        let expected: BTreeSet<&str> = ["kty", "kid", "use", "alg"].iter().chain(members).copied().collect();
        assert_eq!(key.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected);

        let other = if algorithm == "ES256" { "RS256" } else { "ES256" };
        let spec = service.spec().replica().set("AUTH__SIGNING_ALGORITHM", other).set("AUTH__TOKEN_TYPE", "JWT");
        drop(service);
        let restarted = spec.start().await;
        assert_accepted(&[&restarted.api()], &[&tokens]).await;
        let later = restarted.api().login(&ada).await;
        assert_eq!(verified_header(&restarted.api(), &later.access).await, ("JWT".to_owned(), algorithm.to_owned()));
    }
}

#[tokio::test]
async fn a_change_that_is_refused_changes_nothing_and_says_why() {
    let world = World::new(&Stack::from_env(), "refused").await;
    let spec = with_cheap_hashes(world.user_service());
    for arguments in [&["keys"][..], &["keys", "algorithm"], &["keys", "algorithm", "HS256"]] {
        let _ = stdout_of(&spec.command(arguments).await, 2);
    }
    let error_of = async |spec: &test_support::ServiceSpec| {
        let refused = spec.command(&["keys", "algorithm", "RS256"]).await;
        let _ = stdout_of(&refused, 1);
        String::from_utf8_lossy(&refused.stderr).into_owned()
    };
    let error = error_of(&spec).await;
    assert!(error.contains("there are no signing keys yet"), "{error}");
    assert_eq!(stored(&world, "signing-keys").await, None);

    let service = spec.start().await;
    let before = stored(&world, "signing-keys").await;
    let other_key = BASE64_STANDARD.encode([1; 32]);
    let stranger = service.spec().replica().set("KEYS__ENCRYPTION_KEY_FILE", "").set("KEYS__ENCRYPTION_KEY", other_key);
    let error = error_of(&stranger).await;
    assert!(error.contains("cannot be opened with keys.encryption_key"), "{error}");
    assert_eq!(stored(&world, "signing-keys").await, before);
}

#[tokio::test]
async fn the_new_key_is_kept_for_the_longest_token_also_if_that_is_one_of_a_client() {
    let (world, service, _) = start_user_service_with("longest", &[("AUTH__CLIENT_TOKEN_TTL", "45m")]).await;
    let spec = service.spec().replica();
    // A running replica would correct the time of the key.
    drop(service);
    let _ = stdout_of(&spec.command(&["keys", "algorithm", "EdDSA"]).await, 0);
    let set = stored(&world, "signing-keys").await.expect("the first start has made a key");
    let keys = set.get_array("keys").expect("a key set has keys");
    let newest = keys.last().and_then(|key| key.as_document()).expect("a key is a document");
    assert_eq!(newest.get_i64("longestTtlMs").ok(), Some(45 * MINUTE));
}
