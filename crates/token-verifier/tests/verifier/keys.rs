//! When keys are fetched and which are used: rotation, outages, and attackers who name unknown keys.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use serde_json::json;
use token_verifier::{Error, Fetch, FetchFuture, Fetched, Reason, Verifier};

use crate::support::{AUDIENCE, ISSUER, Issuer, JWKS, ManualClock, Signer, let_tasks_run};

const UNKNOWN_KEY: Error = Error::Invalid(Reason::UnknownKey);

fn is_unavailable<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(error @ Error::Unavailable(_)) if error.status() == 503)
}

#[tokio::test]
async fn nothing_is_fetched_before_the_first_token_and_then_once() {
    let (signer, clock) = (Signer::eddsa(), ManualClock::new());
    let issuer = Issuer::new(None, &[signer.jwk("a")]);
    let verifier = issuer.builder(&clock).build().unwrap();
    assert_eq!((issuer.discoveries(), issuer.reads()), (0, 0));
    for _ in 0..100 {
        assert!(verifier.verify(&signer.valid_token("a")).await.is_ok());
    }
    assert_eq!((issuer.discoveries(), issuer.reads()), (1, 1));
}

#[tokio::test]
async fn malformed_tokens_fetch_nothing() {
    let clock = ManualClock::new();
    let issuer = Issuer::new(None, &[]);
    let verifier = issuer.builder(&clock).build().unwrap();
    for token in ["", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
        assert!(verifier.verify(token).await.is_err());
    }
    assert_eq!(issuer.reads(), 0);
}

#[tokio::test]
async fn prefetch_reads_the_keys_once_and_says_why_it_cannot() {
    let (signer, clock) = (Signer::eddsa(), ManualClock::new());
    let issuer = Issuer::new(None, &[signer.jwk("a")]);
    let verifier = issuer.builder(&clock).build().unwrap();
    issuer.fail();
    assert_eq!(
        verifier.prefetch().await.expect_err("the issuer is down").to_string(),
        "the issuer's keys could not be fetched: https://id.example/keys: the issuer is down"
    );
    issuer.publish(&[signer.jwk("a")]);
    clock.advance(10);
    for _ in 0..3 {
        assert_eq!(verifier.prefetch().await, Ok(()));
    }
    assert!(verifier.verify(&signer.valid_token("a")).await.is_ok());
    assert_eq!(issuer.reads(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_concurrent_requests_cause_one_fetch() {
    let (signer, clock) = (Signer::eddsa(), ManualClock::new());
    let issuer = Issuer::new(None, &[signer.jwk("a")]);
    issuer.hold();
    let verifier = issuer.builder(&clock).build().unwrap();
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (verifier, token) = (verifier.clone(), signer.valid_token("a"));
        requests.spawn(async move { verifier.verify(&token).await });
    }
    let begun = async {
        while issuer.reads() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), begun).await.expect("the fetch begins");
    issuer.release();
    while let Some(result) = requests.join_next().await {
        assert!(result.unwrap().is_ok());
    }
    assert_eq!((issuer.discoveries(), issuer.reads()), (1, 1));
}

#[tokio::test]
async fn a_thousand_unknown_key_ids_cause_one_fetch_per_interval() {
    let (signer, clock) = (Signer::eddsa(), ManualClock::new());
    let issuer = Issuer::new(None, &[signer.jwk("a")]);
    let verifier = issuer.builder(&clock).build().unwrap();
    for interval in 1..=3 {
        for id in 0..1000 {
            assert_eq!(verifier.verify(&signer.valid_token(&format!("{interval}-{id}"))).await, Err(UNKNOWN_KEY));
            assert!(verifier.verify(&signer.valid_token("a")).await.is_ok());
        }
        assert_eq!(issuer.reads(), interval);
        clock.advance(10);
    }
}

#[tokio::test]
async fn the_key_of_a_rotation_is_found_at_its_first_token() {
    let (old, new, clock) = (Signer::eddsa(), Signer::es256(), ManualClock::new());
    let issuer = Issuer::new(Some(300), &[old.jwk("old")]);
    let verifier = issuer.builder(&clock).build().unwrap();
    assert!(verifier.verify(&old.valid_token("old")).await.is_ok());
    issuer.publish(&[old.jwk("old"), new.jwk("new")]);
    clock.advance(9);
    assert_eq!(verifier.verify(&new.valid_token("new")).await, Err(UNKNOWN_KEY));
    clock.advance(1);
    assert!(verifier.verify(&new.valid_token("new")).await.is_ok());
    assert!(verifier.verify(&old.valid_token("old")).await.is_ok());
    assert_eq!(issuer.reads(), 2);
}

#[tokio::test]
async fn a_removed_key_is_refused_as_soon_as_the_keys_were_read() {
    let (old, new, clock) = (Signer::eddsa(), Signer::eddsa(), ManualClock::new());
    let issuer = Issuer::new(Some(300), &[old.jwk("old")]);
    let verifier = issuer.builder(&clock).build().unwrap();
    assert!(verifier.verify(&old.valid_token("old")).await.is_ok());
    issuer.publish(&[new.jwk("new")]);
    clock.advance(10);
    assert!(verifier.verify(&new.valid_token("new")).await.is_ok());
    assert_eq!(verifier.verify(&old.valid_token("old")).await, Err(UNKNOWN_KEY));
    // Also while the issuer does not answer, and if it publishes no key at all.
    issuer.fail();
    clock.advance(10);
    assert!(verifier.verify(&old.valid_token("old")).await.is_err());
    issuer.publish(&[]);
    clock.advance(10);
    assert_eq!(verifier.verify(&old.valid_token("old")).await, Err(UNKNOWN_KEY));
    assert_eq!(verifier.verify(&new.valid_token("new")).await, Err(UNKNOWN_KEY));
}

#[tokio::test]
async fn a_key_id_that_gets_another_key_verifies_with_the_new_one() {
    let (first, second, clock) = (Signer::eddsa(), Signer::eddsa(), ManualClock::new());
    let issuer = Issuer::new(Some(60), &[first.jwk("a")]);
    let verifier = issuer.builder(&clock).build().unwrap();
    assert!(verifier.verify(&first.valid_token("a")).await.is_ok());
    issuer.publish(&[second.jwk("a")]);
    clock.advance(60);
    assert!(verifier.verify(&second.valid_token("a")).await.is_ok());
    assert_eq!(verifier.verify(&first.valid_token("a")).await, Err(Error::Invalid(Reason::Signature)));
}

#[tokio::test]
async fn keys_are_refreshed_in_the_background_before_they_expire() {
    let (signer, clock) = (Signer::eddsa(), ManualClock::new());
    let issuer = Issuer::new(Some(300), &[signer.jwk("a")]);
    let verifier = issuer.builder(&clock).build().unwrap();
    assert!(verifier.verify(&signer.valid_token("a")).await.is_ok());
    clock.advance(239);
    assert!(verifier.verify(&signer.valid_token("a")).await.is_ok());
    let_tasks_run().await;
    assert_eq!(issuer.reads(), 1);
    clock.advance(1);
    issuer.hold();
    // No request waits for the fetch that has begun.
    for _ in 0..10 {
        assert!(verifier.verify(&signer.valid_token("a")).await.is_ok());
        let_tasks_run().await;
    }
    assert_eq!(issuer.reads(), 2);
    issuer.release();
    let_tasks_run().await;
    clock.advance(239);
    assert!(verifier.verify(&signer.valid_token("a")).await.is_ok());
    let_tasks_run().await;
    assert_eq!(issuer.reads(), 2);
}

#[tokio::test]
async fn after_an_idle_time_the_keys_are_read_before_one_is_used() {
    let (signer, clock) = (Signer::eddsa(), ManualClock::new());
    let issuer = Issuer::new(Some(300), &[signer.jwk("a")]);
    let verifier = issuer.builder(&clock).build().unwrap();
    assert!(verifier.verify(&signer.valid_token("a")).await.is_ok());
    issuer.publish(&[]);
    clock.advance(300);
    assert_eq!(verifier.verify(&signer.valid_token("a")).await, Err(UNKNOWN_KEY));
}

#[tokio::test]
async fn a_max_age_outside_of_the_bounds_is_replaced() {
    for (max_age, used_for) in [(Some(0), 60), (Some(1), 60), (Some(86_400), 3600), (Some(u64::MAX), 3600), (None, 300)]
    {
        let (signer, clock) = (Signer::eddsa(), ManualClock::new());
        let issuer = Issuer::new(max_age, &[signer.jwk("a")]);
        let verifier = issuer.builder(&clock).leeway(Duration::from_secs(10_000)).build().unwrap();
        assert!(verifier.verify(&signer.valid_token("a")).await.is_ok());
        issuer.publish(&[]);
        clock.advance(used_for - 1);
        assert!(verifier.verify(&signer.valid_token("a")).await.is_ok(), "{max_age:?}");
        let_tasks_run().await;
        clock.advance(1);
        assert_eq!(verifier.verify(&signer.valid_token("a")).await, Err(UNKNOWN_KEY), "{max_age:?}");
        assert_eq!(issuer.reads(), 2);
    }
}

#[tokio::test]
async fn during_an_outage_the_keys_are_used_for_one_more_hour() {
    let (signer, clock) = (Signer::eddsa(), ManualClock::new());
    let issuer = Issuer::new(Some(300), &[signer.jwk("a")]);
    let verifier = issuer.builder(&clock).leeway(Duration::from_secs(10_000)).build().unwrap();
    assert!(verifier.verify(&signer.valid_token("a")).await.is_ok());
    issuer.fail();
    for _ in 0..389 {
        clock.advance(10);
        for _ in 0..3 {
            assert!(verifier.verify(&signer.valid_token("a")).await.is_ok());
        }
        let_tasks_run().await;
    }
    // From 4/5 of five minutes on, a fetch was tried every ten seconds.
    assert_eq!(issuer.reads(), 1 + 366);
    assert_eq!(verifier.last_failure().as_deref(), Some("https://id.example/keys: the issuer is down"));
    clock.advance(10);
    for _ in 0..3 {
        assert!(is_unavailable(&verifier.verify(&signer.valid_token("a")).await));
    }
    assert_eq!(issuer.reads(), 1 + 367);
    issuer.publish(&[signer.jwk("a")]);
    clock.advance(10);
    assert!(verifier.verify(&signer.valid_token("a")).await.is_ok());
    assert_eq!(verifier.last_failure(), None);
}

#[tokio::test]
async fn only_the_first_request_after_the_expiry_waits_for_a_silent_issuer() {
    let (signer, clock) = (Signer::eddsa(), ManualClock::new());
    let issuer = Issuer::new(Some(300), &[signer.jwk("a")]);
    let verifier = issuer.builder(&clock).fetch_timeout(Duration::from_millis(20)).build().unwrap();
    assert!(verifier.verify(&signer.valid_token("a")).await.is_ok());
    issuer.fall_silent();
    clock.advance(300);
    assert!(verifier.verify(&signer.valid_token("a")).await.is_ok());
    assert_eq!(issuer.reads(), 2);
    clock.advance(10);
    let token = signer.valid_token("a");
    let mut request = pin!(verifier.verify(&token));
    assert!(matches!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_))));
    let_tasks_run().await;
    assert_eq!(issuer.reads(), 3);
}

#[tokio::test]
async fn without_keys_a_silent_issuer_costs_a_request_the_deadline_and_the_next_one_nothing() {
    let (signer, clock) = (Signer::eddsa(), ManualClock::new());
    let issuer = Issuer::new(None, &[]);
    issuer.fall_silent();
    let verifier = issuer.builder(&clock).fetch_timeout(Duration::from_millis(20)).build().unwrap();
    let result = verifier.verify(&signer.valid_token("a")).await;
    assert_eq!(result, Err(Error::Unavailable("no response within 20ms".into())));
    let token = signer.valid_token("a");
    let mut request = pin!(verifier.verify(&token));
    assert!(matches!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_))));
    assert_eq!(issuer.reads(), 1);
}

#[tokio::test]
async fn an_unknown_key_during_an_outage_is_not_the_fault_of_the_client() {
    let (old, new, clock) = (Signer::eddsa(), Signer::eddsa(), ManualClock::new());
    let issuer = Issuer::new(Some(300), &[old.jwk("old")]);
    let verifier = issuer.builder(&clock).build().unwrap();
    assert!(verifier.verify(&old.valid_token("old")).await.is_ok());
    issuer.fail();
    clock.advance(10);
    assert!(is_unavailable(&verifier.verify(&new.valid_token("new")).await));
    assert!(is_unavailable(&verifier.verify(&new.valid_token("new")).await));
    assert!(verifier.verify(&old.valid_token("old")).await.is_ok());
    assert_eq!(issuer.reads(), 2);
}

#[tokio::test]
async fn a_response_that_is_not_a_key_set_replaces_no_keys() {
    let (signer, clock) = (Signer::eddsa(), ManualClock::new());
    let issuer = Issuer::new(Some(300), &[signer.jwk("a")]);
    let verifier = issuer.builder(&clock).build().unwrap();
    assert!(verifier.verify(&signer.valid_token("a")).await.is_ok());
    let too_many = json!({ "keys": vec![json!({}); 101] }).to_string();
    let too_long = format!("{{\"keys\":[{}]}}", " ".repeat(256 * 1024));
    for body in ["", "<html>maintenance</html>", "{}", "[]", "{\"keys\":{}}", &too_many, &too_long] {
        issuer.publish_bytes(body.into());
        clock.advance(10);
        assert!(is_unavailable(&verifier.verify(&signer.valid_token("b")).await), "{body:.40}");
        assert!(verifier.verify(&signer.valid_token("a")).await.is_ok());
    }
}

#[tokio::test]
async fn a_client_that_disconnects_cannot_cause_another_fetch() {
    let (signer, clock) = (Signer::eddsa(), ManualClock::new());
    let issuer = Issuer::new(None, &[signer.jwk("a")]);
    issuer.hold();
    let verifier = issuer.builder(&clock).build().unwrap();
    for _ in 0..100 {
        let request = verifier.verify("eyJhbGciOiJFZERTQSIsImtpZCI6IngifQ.e30.AA");
        assert!(tokio::time::timeout(Duration::from_millis(1), request).await.is_err());
    }
    assert_eq!(issuer.reads(), 1);
    issuer.release();
    assert!(verifier.verify(&signer.valid_token("a")).await.is_ok());
    assert_eq!(issuer.reads(), 1);
}

#[test]
fn a_fetch_that_ends_with_its_runtime_does_not_block_the_others() {
    let (signer, clock) = (Signer::eddsa(), ManualClock::new());
    let issuer = Issuer::new(None, &[signer.jwk("a")]);
    let verifier = issuer.builder(&clock).build().unwrap();
    issuer.hold();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let token = signer.valid_token("a");
    assert!(
        first
            .block_on(async { tokio::time::timeout(Duration::from_millis(1), verifier.verify(&token)).await })
            .is_err()
    );
    drop(first);
    issuer.release();
    let second = runtime();
    assert!(is_unavailable(&second.block_on(verifier.verify(&token))));
    clock.advance(10);
    assert!(second.block_on(verifier.verify(&token)).is_ok());
}

#[test]
fn without_a_runtime_the_keys_are_unavailable() {
    let clock = ManualClock::new();
    let verifier = Issuer::new(None, &[]).builder(&clock).build().unwrap();
    let token = Signer::eddsa().valid_token("a");
    let mut request = pin!(verifier.verify(&token));
    let Poll::Ready(result) = request.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it waits")
    };
    assert!(is_unavailable(&result));
}

/// Answers each URL of the list with its document.
struct Documents(Vec<(&'static str, String)>);

impl Fetch for Documents {
    fn fetch<'a>(&'a self, url: &'a str) -> FetchFuture<'a> {
        let document = self.0.iter().find(|(address, _)| *address == url);
        let found = document.map(|(_, body)| Fetched { body: body.clone().into_bytes(), max_age: None });
        Box::pin(async move { found.ok_or_else(|| "not found".to_owned()) })
    }
}

#[tokio::test]
async fn the_keys_of_an_issuer_with_a_path_are_discovered_below_it() {
    let signer = Signer::es256();
    let issuer = "https://id.example/tenant/";
    let documents = Documents(vec![
        (
            "https://id.example/tenant/.well-known/openid-configuration",
            json!({ "issuer": issuer, "jwks_uri": JWKS }).to_string(),
        ),
        (JWKS, json!({ "keys": [signer.jwk("a")] }).to_string()),
    ]);
    let verifier = Verifier::builder(issuer).audience(AUDIENCE).fetcher(documents).clock(ManualClock::new());
    let mut claims = crate::support::claims();
    claims["iss"] = json!(issuer);
    let token = signer.token(&json!({ "alg": "ES256", "kid": "a" }), &claims);
    assert!(verifier.build().unwrap().verify(&token).await.is_ok());
}

#[tokio::test]
async fn a_discovery_document_that_cannot_be_trusted_is_refused() {
    let keys = json!({ "keys": [] }).to_string();
    for (document, cause) in [
        (json!({ "issuer": "https://attacker.example", "jwks_uri": JWKS }), "it is not of the issuer"),
        (json!({ "issuer": "https://id.example/", "jwks_uri": JWKS }), "it is not of the issuer"),
        (json!({ "jwks_uri": JWKS }), "it is not of the issuer"),
        (json!({ "issuer": ISSUER }), "it has no jwks_uri"),
        (json!({ "issuer": ISSUER, "jwks_uri": "file:///keys" }), "jwks_uri: it must be a URL with http"),
        (json!({ "issuer": ISSUER, "jwks_uri": "http://id.example/keys" }), "jwks_uri must begin with https"),
    ] {
        let documents = Documents(vec![
            ("https://id.example/.well-known/openid-configuration", document.to_string()),
            (JWKS, keys.clone()),
            ("http://id.example/keys", keys.clone()),
            ("file:///keys", keys.clone()),
        ]);
        let verifier = Verifier::builder(ISSUER).audience(AUDIENCE).fetcher(documents).build().unwrap();
        let error = verifier.prefetch().await.expect_err("it is refused").to_string();
        assert!(error.contains(cause), "{error}");
    }
}
