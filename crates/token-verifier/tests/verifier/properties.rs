//! Properties of any input and of any history.

use std::{collections::HashSet, sync::LazyLock, time::Duration};

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use token_verifier::{Error, Reason, Verifier};
use tokio::runtime::Runtime;

use crate::support::{
    AUDIENCE, ISSUER, Issuer, ManualClock, NOW, Signer, base64url, claims, claims_with, let_tasks_run,
};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"));
static SIGNERS: LazyLock<[Signer; 3]> = LazyLock::new(|| [Signer::es256(), Signer::eddsa(), Signer::rs256()]);
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let keys: Vec<Value> = SIGNERS.iter().map(|signer| signer.jwk(signer.algorithm())).collect();
    Issuer::new(None, &keys).builder(&ManualClock::new()).build().expect("it is configured")
});

fn verify(token: &str) -> Result<token_verifier::Claims, Error> {
    RUNTIME.block_on(VERIFIER.verify(token))
}

/// Generates any JSON value, with the given texts among its strings.
fn any_json(texts: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let text = prop_oneof![proptest::sample::select(texts).prop_map(str::to_owned), any::<String>()].boxed();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text.clone(), inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

const WORDS: &[&str] = &[
    "ES256",
    "EdDSA",
    "RS256",
    "none",
    "HS256",
    "JWT",
    "at+jwt",
    "application/at+jwt",
    "kty",
    "EC",
    "OKP",
    "RSA",
    "crv",
    "P-256",
    "Ed25519",
    "x",
    "y",
    "n",
    "e",
    "AQAB",
    "kid",
    "alg",
    "use",
    "sig",
    "key_ops",
    "verify",
    "keys",
    ISSUER,
    AUDIENCE,
];

proptest! {
    #[test]
    fn any_text_is_refused(text in any::<String>(), parts in vec("[A-Za-z0-9_-]{0,40}", 0..6)) {
        prop_assert!(verify(&text).is_err());
        prop_assert!(verify(&parts.join(".")).is_err());
    }

    #[test]
    fn a_token_with_any_header_and_any_claims_but_no_genuine_signature_is_refused(
        header in any_json(WORDS), claims in any_json(WORDS), signature in vec(any::<u8>(), 0..300)
    ) {
        let token = format!("{}.{}.{}", base64url(header.to_string()), base64url(claims.to_string()), base64url(signature));
        prop_assert!(verify(&token).is_err());
    }

    #[test]
    fn a_genuine_token_with_any_other_byte_is_refused(
        signer in 0..3_usize, place in any::<prop::sample::Index>(), other in any::<char>()
    ) {
        let token = SIGNERS[signer].valid_token(SIGNERS[signer].algorithm());
        let place = place.index(token.len());
        let changed = format!("{}{other}{}", &token[..place], &token[place + 1..]);
        prop_assert_eq!(verify(&changed).is_ok(), changed == token);
        prop_assert!(verify(&token[..place]).is_err());
    }

    #[test]
    fn a_signed_header_is_accepted_only_if_every_member_is(
        alg in any_json(WORDS), kid in any_json(WORDS), typ in proptest::option::of(any_json(WORDS)),
        crit in proptest::option::of(any_json(WORDS)), other in any_json(WORDS)
    ) {
        let mut header = json!({ "alg": alg, "kid": kid, "x5c": other, "jwk": other });
        if let Some(typ) = &typ { header["typ"] = typ.clone(); }
        if let Some(crit) = &crit { header["crit"] = crit.clone(); }
        let valid = alg == "ES256" && kid == "ES256" && crit.is_none()
            && typ.is_none_or(|typ| typ == "JWT" || typ == "at+jwt" || typ == "application/at+jwt");
        prop_assert_eq!(verify(&SIGNERS[0].token(&header, &claims())).is_ok(), valid);
    }

    #[test]
    fn signed_claims_are_accepted_only_if_they_are_for_us_and_now(
        name in proptest::sample::select(&["iss", "aud", "exp", "nbf", "sub", "roles", "scope", "sid", "other"][..]),
        value in prop_oneof![any_json(WORDS), (NOW - 40..NOW + 40).prop_map(Value::from)]
    ) {
        let number = value.as_f64().filter(|seconds| *seconds >= 0.0 && *seconds < i64::MAX as f64);
        let valid = match name {
            "iss" => value == ISSUER,
            "aud" => value == AUDIENCE || value.as_array().is_some_and(|all| all.contains(&json!(AUDIENCE))),
            "exp" => number.is_some_and(|exp| exp + 30.0 > NOW as f64),
            "nbf" => number.is_some_and(|nbf| nbf - 30.0 <= NOW as f64),
            "sub" => value.as_str().is_some_and(|sub| !sub.is_empty()),
            _ => true,
        };
        let token = SIGNERS[0].token(&json!({ "alg": "ES256", "kid": "ES256" }), &claims_with(name, Some(value)));
        prop_assert_eq!(verify(&token).is_ok(), valid);
    }

    #[test]
    fn any_key_set_is_read_or_refused_and_accepts_no_token_of_another_key(
        body in prop_oneof![
            vec(any::<u8>(), 0..200),
            any_json(WORDS).prop_map(|set| set.to_string().into_bytes()),
            vec(any_json(WORDS), 0..5).prop_map(|keys| json!({ "keys": keys }).to_string().into_bytes()),
            any::<(u8, u8)>().prop_map(|(x, y)| json!({ "keys": [
                { "kty": "EC", "crv": "P-256", "kid": "ES256", "x": base64url([x; 32]), "y": base64url([y; 32]) },
                { "kty": "OKP", "crv": "Ed25519", "kid": "EdDSA", "x": base64url([x; 32]) },
                { "kty": "RSA", "kid": "RS256", "n": base64url([x | 1; 256]), "e": base64url([y]) },
            ] }).to_string().into_bytes()),
        ]
    ) {
        let clock = ManualClock::new();
        let issuer = Issuer::new(None, &[]);
        issuer.publish_bytes(body);
        let verifier = issuer.builder(&clock).build().unwrap();
        for signer in SIGNERS.iter() {
            prop_assert!(RUNTIME.block_on(verifier.verify(&signer.valid_token(signer.algorithm()))).is_err());
        }
        prop_assert_eq!(issuer.reads(), 1);
    }

    /// Checks a history of requests, outages and rotations, in which time passes, against the promises of the README.
    #[test]
    fn in_any_history_fetches_are_bounded_and_no_key_outlives_its_time(steps in vec(step(), 1..60)) {
        RUNTIME.block_on(check_history(steps))?;
    }
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Verify(u8),
    Publish(HashSet<u8>),
    Fail,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        prop_oneof![0..12_u64, 0..400_u64, 0..5000_u64].prop_map(Step::Wait),
        (0..4_u8).prop_map(Step::Verify),
        (0..4_u8).prop_map(Step::Verify),
        proptest::collection::hash_set(0..3_u8, 0..3).prop_map(Step::Publish),
        Just(Step::Fail),
    ]
}

async fn check_history(steps: Vec<Step>) -> Result<(), TestCaseError> {
    const MAX_AGE: u64 = 300;
    const MAX_STALE: u64 = 3600;
    let signer = &SIGNERS[1];
    let clock = ManualClock::new();
    let issuer = Issuer::new(Some(MAX_AGE), &[]);
    let verifier = issuer.builder(&clock).leeway(Duration::from_secs(1_000_000)).build().expect("it is configured");
    let (mut now, mut published, mut up, mut reads) = (0, HashSet::new(), true, 0);
    let (mut last_read, mut failed, mut last_success) = (None, false, None::<(u64, HashSet<u8>)>);
    for step in steps {
        match step {
            Step::Wait(seconds) => {
                clock.advance(seconds);
                now += seconds;
            }
            Step::Publish(keys) => {
                let jwks: Vec<Value> = keys.iter().map(|key| signer.jwk(&key.to_string())).collect();
                issuer.publish(&jwks);
                (published, up) = (keys, true);
            }
            Step::Fail => {
                issuer.fail();
                up = false;
            }
            Step::Verify(key) => {
                // While a fetch runs, the keys before it may be used: longer, if the fetch before has failed.
                let (before, old_age) = (last_success.clone(), if failed { MAX_AGE + MAX_STALE } else { MAX_AGE });
                let result = verifier.verify(&signer.valid_token(&key.to_string())).await;
                let_tasks_run().await;
                let fetched = issuer.reads() - reads;
                reads = issuer.reads();
                // At most one fetch, and none within ten seconds of the last one.
                prop_assert!(fetched <= usize::from(last_read.is_none_or(|last| now - last >= 10)));
                if fetched == 1 {
                    (last_read, failed) = (Some(now), !up);
                    if up {
                        last_success = Some((now, published.clone()));
                    }
                }
                let includes = |set: &Option<(u64, HashSet<u8>)>, age: u64| {
                    set.as_ref().is_some_and(|(at, keys)| now - at < age && keys.contains(&key))
                };
                match result {
                    Ok(_) => prop_assert!(
                        includes(&last_success, MAX_AGE + MAX_STALE) || includes(&before, old_age),
                        "a key that is not published was used"
                    ),
                    Err(Error::Invalid(Reason::UnknownKey)) => {
                        prop_assert!(!includes(&last_success, MAX_AGE + MAX_STALE), "a published key was refused");
                    }
                    Err(Error::Unavailable(_)) => {
                        prop_assert!(!includes(&last_success, MAX_AGE + MAX_STALE), "a usable key was not used");
                    }
                    Err(error) => return Err(TestCaseError::fail(error.to_string())),
                }
            }
        }
    }
    Ok(())
}
