//! An issuer with keys, its tokens, and a clock that the test sets.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    rsa,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair},
};
use serde_json::{Value, json};
use token_verifier::{Builder, Clock, Fetch, FetchFuture, Fetched, Verifier};
use tokio::sync::Semaphore;

pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const AUDIENCE: &str = "user-service";
pub(crate) const JWKS: &str = "https://id.example/keys";
/// The time of a new clock.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) enum Signer {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(Box<RsaKeyPair>),
}

impl Signer {
    pub(crate) fn es256() -> Self {
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let random = SystemRandom::new();
        let private = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key is generated");
        Self::Es256(EcdsaKeyPair::from_pkcs8(algorithm, private.as_ref(), &random).expect("the key is valid"))
    }

    pub(crate) fn eddsa() -> Self {
        let private = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key is generated");
        Self::EdDsa(Ed25519KeyPair::from_pkcs8(private.as_ref()).expect("the key is valid"))
    }

    /// Returns the key of RFC 7515 appendix A.2, because ring cannot generate RSA keys.
    pub(crate) fn rs256() -> Self {
        let component = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url");
        let public_key = rsa::PublicKeyComponents {
            n: component(
                "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-S\
                Fd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo\
                7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkML\
                s91kzk2PAcDTW9gb54h4FRWyuXpoQ",
            ),
            e: component("AQAB"),
        };
        let pair = rsa::KeyPairComponents {
            public_key,
            d: component(
                "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui39\
                5IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV\
                _0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQy\
                GWSeWjnczT0QU91p1DhOVRuOopznQ",
            ),
            p: component(
                "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn\
                7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
            ),
            q: component(
                "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62w\
                Dmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
            ),
            dP: component(
                "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12\
                Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
            ),
            dQ: component(
                "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjM\
                d2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
            ),
            qInv: component(
                "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKL\
                EdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U",
            ),
        };
        Self::Rs256(Box::new(RsaKeyPair::from_components(&pair).expect("the key is valid")))
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
            Self::Rs256(_) => "RS256",
        }
    }

    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let (kid, alg) = (json!(kid), self.algorithm());
        match self {
            Self::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": kid, "alg": alg, "x": base64url(x), "y": base64url(y) })
            }
            Self::EdDsa(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "alg": alg, "x": base64url(pair.public_key()) })
            }
            Self::Rs256(pair) => {
                let public: rsa::PublicKeyComponents<Vec<u8>> = pair.public_key().into();
                json!({ "kty": "RSA", "kid": kid, "use": "sig", "n": base64url(public.n), "e": base64url(public.e) })
            }
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(pair) => pair.sign(&random, message).expect("it signs").as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signature).expect("it signs");
                signature
            }
        }
    }

    /// Signs this header and these claims, whatever they are.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()));
        let signature = self.sign(signed.as_bytes());
        format!("{signed}.{}", base64url(signature))
    }

    /// Returns a valid token.
    pub(crate) fn valid_token(&self, kid: &str) -> String {
        self.token(&json!({ "alg": self.algorithm(), "kid": kid, "typ": "at+jwt" }), &claims())
    }
}

/// Returns valid claims, as the user service makes them.
pub(crate) fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "01981f2e-0000-7000-8000-000000000001", "client_id": AUDIENCE,
        "iat": NOW, "exp": NOW + 900, "jti": "j", "sid": "s", "epoch": 1, "roles": ["admin"] })
}

/// Returns the claims with another value of this claim, or without it.
pub(crate) fn claims_with(name: &str, value: Option<Value>) -> Value {
    let mut claims = claims();
    match value {
        Some(value) => claims[name] = value,
        None => drop(claims.as_object_mut().expect("an object").remove(name)),
    }
    claims
}

/// How the issuer answers.
#[derive(Clone)]
enum Answer {
    Keys(Vec<u8>),
    Failure,
    Silence,
}

/// An issuer that counts the reads of its keys.
#[derive(Clone)]
pub(crate) struct Issuer(Arc<IssuerState>);

struct IssuerState {
    answer: Mutex<Answer>,
    max_age: Option<u64>,
    reads: AtomicUsize,
    discoveries: AtomicUsize,
    /// A permit for each answer, while the issuer is held.
    gate: Semaphore,
}

impl Issuer {
    /// Creates an issuer with these keys, whose responses have this `max-age`.
    pub(crate) fn new(max_age: Option<u64>, keys: &[Value]) -> Self {
        let issuer = Self(Arc::new(IssuerState {
            answer: Mutex::new(Answer::Silence),
            max_age,
            reads: AtomicUsize::new(0),
            discoveries: AtomicUsize::new(0),
            gate: Semaphore::new(1),
        }));
        issuer.publish(keys);
        issuer
    }

    fn set(&self, answer: Answer) {
        *self.0.answer.lock().expect("no panic") = answer;
    }

    pub(crate) fn publish(&self, keys: &[Value]) {
        self.publish_bytes(json!({ "keys": keys }).to_string().into_bytes());
    }

    pub(crate) fn publish_bytes(&self, body: Vec<u8>) {
        self.set(Answer::Keys(body));
    }

    pub(crate) fn fail(&self) {
        self.set(Answer::Failure);
    }

    /// Accepts requests without ever answering.
    pub(crate) fn fall_silent(&self) {
        self.set(Answer::Silence);
    }

    /// Holds all answers until [`Self::release`].
    pub(crate) fn hold(&self) {
        self.0.gate.try_acquire().expect("the issuer answers").forget();
    }

    pub(crate) fn release(&self) {
        self.0.gate.add_permits(1);
    }

    /// Returns how often the keys were read.
    pub(crate) fn reads(&self) -> usize {
        self.0.reads.load(Ordering::SeqCst)
    }

    pub(crate) fn discoveries(&self) -> usize {
        self.0.discoveries.load(Ordering::SeqCst)
    }

    /// Begins a verifier of this issuer's tokens.
    pub(crate) fn builder(&self, clock: &ManualClock) -> Builder {
        Verifier::builder(ISSUER).audience(AUDIENCE).fetcher(self.clone()).clock(clock.clone())
    }
}

impl Fetch for Issuer {
    fn fetch<'a>(&'a self, url: &'a str) -> FetchFuture<'a> {
        Box::pin(async move {
            if url.ends_with("/.well-known/openid-configuration") {
                self.0.discoveries.fetch_add(1, Ordering::SeqCst);
                let document = json!({ "issuer": ISSUER, "jwks_uri": JWKS });
                return Ok(Fetched { body: document.to_string().into_bytes(), max_age: None });
            }
            assert_eq!(url, JWKS);
            self.0.reads.fetch_add(1, Ordering::SeqCst);
            let _permit = self.0.gate.acquire().await.expect("the gate is never closed");
            let answer = self.0.answer.lock().expect("no panic").clone();
            match answer {
                Answer::Keys(body) => Ok(Fetched { body, max_age: self.0.max_age.map(Duration::from_secs) }),
                Answer::Failure => Err("the issuer is down".into()),
                Answer::Silence => std::future::pending().await,
            }
        })
    }
}

#[derive(Clone)]
pub(crate) struct ManualClock {
    start: Instant,
    passed: Arc<Mutex<Duration>>,
}

impl ManualClock {
    #[expect(clippy::disallowed_methods, reason = "the beginning of this clock")]
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), passed: Arc::default() }
    }

    pub(crate) fn advance(&self, seconds: u64) {
        *self.passed.lock().expect("no panic") += Duration::from_secs(seconds);
    }

    fn passed(&self) -> Duration {
        *self.passed.lock().expect("no panic")
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW) + self.passed()
    }

    fn monotonic(&self) -> Instant {
        self.start + self.passed()
    }
}

/// Lets tasks in the background run until they wait for something.
pub(crate) async fn let_tasks_run() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}
