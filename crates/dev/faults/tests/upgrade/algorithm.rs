//! The algorithm of access tokens: an installation of 0.1.0 keeps it through the rollout, an operator changes it
//! afterwards under load, and a rollback finds the keys of 0.1.0.

use std::{collections::BTreeSet, sync::Arc};

use bson::{Document, doc};
use e2e::{commands::stdout_of, published_key_set};
use faults::assert_promises_kept;
use reqwest::{Method, header::AUTHORIZATION};
use test_support::{Api, DEADLINE, wait_for};

use crate::{
    accounts::{Account, Target},
    load::Load,
    system::{IDLE_DEADLINE, Release, System},
};

/// A form of a token with a key id that no key set has. A replica reads the stored keys again because of it.
const UNKNOWN_KEY: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6InVua25vd24ifQ.e30.AAAA";

/// Returns the access token of a resident.
fn token_of(resident: &Account) -> String {
    let request = resident.client.request(Method::GET, "/").build().expect("a request");
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).expect("a token");
    header.trim_start_matches("Bearer ").to_owned()
}

/// Returns `typ` and `alg` of a resident's token, which the published keys of every replica verify.
async fn header_of(system: &System, resident: &Account) -> (String, String) {
    let mut found = BTreeSet::new();
    for replica in &system.users {
        let keys = replica.api.get("/.well-known/jwks.json").await.expect(200).json();
        let (header, _) = published_key_set::verify(&token_of(resident), &keys).expect("a published key verifies");
        let text = |name: &str| header[name].as_str().unwrap_or_default().to_owned();
        found.insert((text("typ"), text("alg")));
    }
    found.pop_first().expect("there are two replicas")
}

/// Waits until both replicas publish keys of these algorithms.
async fn wait_for_published(system: &System, expected: &[&str]) {
    for replica in &system.users {
        let stranger: Api = replica.api.with_token(UNKNOWN_KEY);
        wait_for(DEADLINE, "the keys are published", async || {
            let _ = stranger.get("/api/users/me").await.expect_problem(401, "unauthorized");
            let set = replica.api.get("/.well-known/jwks.json").await.expect(200).json();
            let keys = set["keys"].as_array()?;
            (keys.iter().map(|key| key["alg"].as_str().unwrap_or_default()).collect::<Vec<_>>() == expected)
                .then_some(())
        })
        .await;
    }
}

async fn stored_keys(system: &System, id: &str) -> Option<Document> {
    let keys = system.run.world.user_collection("keys").await;
    keys.find_one(doc! { "_id": id }).await.expect("MongoDB answers")
}

/// Simulates that eleven minutes pass for the signing keys: the next one signs.
async fn let_the_next_key_sign(system: &System) {
    let earlier = |field: &str| doc! { "$cond": [{ "$eq": [{ "$type": field }, "missing"] }, "$$REMOVE", { "$subtract": [field, 660_000] }] };
    let times = doc! { "signFrom": earlier("$$this.signFrom"), "signUntil": earlier("$$this.signUntil") };
    let moved = doc! { "$map": { "input": "$keys", "in": { "$mergeObjects": ["$$this", times] } } };
    let keys = system.run.world.user_collection("keys").await;
    let update = vec![doc! { "$set": { "keys": moved } }];
    keys.update_one(doc! { "_id": "signing-keys" }, update).await.expect("MongoDB answers");
}

/// Lets every resident use its tokens at each replica in turn.
async fn use_tokens(residents: &mut [Account]) {
    for resident in residents {
        for _ in 0..4 {
            resident.read().await;
            resident.refresh().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: run by scripts/nightly"]
async fn a_change_of_the_algorithm_after_the_rollout_refuses_no_valid_token_and_a_rollback_finds_the_old_keys() {
    let system = Arc::new(System::start("algorithm", Release::Previous, Release::Present).await);
    let mut residents = Vec::new();
    for number in 0..3 {
        let mut resident = Account::register(&system, &format!("resident{number}"), Target::Any).await;
        resident.login().await;
        residents.push(resident);
    }
    let mut load = Load::start(&system);
    let released = ("at+jwt".to_owned(), "EdDSA".to_owned());

    // Both releases beside each other sign with the same keys, and accept each other's tokens.
    system.replace_user_service(0, Release::Present).await;
    load.run_phase().await;
    use_tokens(&mut residents).await;
    assert_eq!(header_of(&system, &residents[0]).await, released);
    system.replace_user_service(1, Release::Present).await;
    load.run_phase().await;
    use_tokens(&mut residents).await;
    assert_eq!(header_of(&system, &residents[0]).await, released);
    assert_eq!(stored_keys(&system, "signing-keys").await, None);
    let before = stored_keys(&system, "signing").await;

    // The change: published first, then signing. The load and the residents see no difference.
    let change = system.user_spec(0).await.command(&["keys", "algorithm", "ES256"]).await;
    assert!(stdout_of(&change, 0).contains("is for ES256 and signs from"));
    wait_for_published(&system, &["EdDSA", "ES256"]).await;
    load.run_phase().await;
    use_tokens(&mut residents).await;
    let_the_next_key_sign(&system).await;
    // One replica signs with the new key before the other one has read that it does.
    load.run_phase().await;
    use_tokens(&mut residents).await;
    wait_for_published(&system, &["EdDSA", "ES256"]).await;
    wait_for(DEADLINE, "the new key signs everywhere", async || {
        use_tokens(&mut residents).await;
        let (_, alg) = header_of(&system, &residents[0]).await;
        (alg == "ES256").then_some(())
    })
    .await;
    load.run_phase().await;
    let lives = load.finish().await;
    use_tokens(&mut residents).await;
    assert_eq!(header_of(&system, &residents[0]).await, ("JWT".to_owned(), "ES256".to_owned()));

    // Back: 0.1.0 finds its keys as they were. It refuses the tokens of the new key, and users refresh.
    assert_eq!(stored_keys(&system, "signing").await, before);
    system.replace_user_service(0, Release::Previous).await;
    let old = system.users[0].api.clone();
    for resident in &mut residents {
        let refused = old.with_token(&token_of(resident)).get("/api/users/me").await;
        let _ = refused.expect_problem(401, "unauthorized");
        resident.target = Target::Fixed(old.clone());
        resident.refresh().await;
        resident.target = Target::Any;
        for _ in 0..4 {
            resident.read().await;
        }
    }
    system.replace_user_service(1, Release::Previous).await;
    use_tokens(&mut residents).await;
    assert_eq!(header_of(&system, &residents[0]).await, released);

    // And forward again.
    for number in 0..2 {
        system.replace_user_service(number, Release::Present).await;
    }
    use_tokens(&mut residents).await;
    assert_eq!(header_of(&system, &residents[0]).await, ("JWT".to_owned(), "ES256".to_owned()));
    let history = assert_promises_kept(&system.run, IDLE_DEADLINE).await;
    println!(
        "upgrade: {lives} accounts, {} requests: no session lost by a change of the algorithm",
        history.operations.len()
    );
}
