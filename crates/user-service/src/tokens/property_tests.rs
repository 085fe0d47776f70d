//! Property tests for any text in the place of a token: only tokens that this service issued are valid, and a changed
//! token is not.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use corpus::{Corpus, TestResult, corpus};
use jiff::Timestamp;
use proptest::prelude::*;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::{
    jwt::{parse_unverified, sign_with, verify_with},
    *,
};
use crate::{
    domain::SigningAlgorithm,
    keys::{KeyEncryptionKey, KeyPair, SessionSalts},
};

const SESSION: Uuid = Uuid::from_u128(7);
const SALT: &[u8] = b"0123456789abcdef";

/// Returns the corpus of tokens together with copies of a genuine one, which the test changes.
fn corpus_with(genuine: &SecretString) -> Corpus {
    let genuine = std::iter::repeat_n(genuine.expose_secret().as_bytes().to_vec(), 20);
    Corpus::from_inputs("corpus/token and a genuine one", genuine.chain(corpus!("token").cases().map(<[u8]>::to_vec)))
}

#[test]
fn only_the_issued_refresh_token_is_genuine() {
    let tokens = RefreshTokens::new(&KeyEncryptionKey::for_test(7), SessionSalts::default());
    let genuine = tokens.issue(SESSION, SALT, 3);
    corpus_with(&genuine).holds_for_text(|text| {
        let Some(token) = RefreshToken::parse(&text.to_owned().into()) else { return Ok(()) };
        let same = text == genuine.expose_secret();
        prop_assert_eq!(tokens.is_genuine(&token, SALT) && token.session == SESSION, same);
        Ok(())
    });
}

#[test]
fn only_the_issued_mfa_token_is_valid() {
    let tokens = MfaTokens::new(&KeyEncryptionKey::for_test(7), Duration::from_secs(300));
    let binding = MfaBinding { user: SESSION, epoch: 1, password_hash: "$argon2id$", totp_secret: b"sealed" };
    let now = Timestamp::from_second(1_000).expect("the timestamp is valid");
    let genuine = tokens.issue(Uuid::from_u128(1), &binding, now);
    corpus_with(&genuine).holds_for_text(|text| {
        let Some(token) = MfaToken::parse(&text.to_owned().into()) else { return Ok(()) };
        prop_assert_eq!(tokens.is_valid(&token, &binding, now), text == genuine.expose_secret());
        Ok(())
    });
}

#[test]
fn only_a_signed_access_token_has_claims() {
    let now = Timestamp::from_second(1_800_000_000).expect("the timestamp is valid");
    let signed_claims = AccessClaims {
        sub: SESSION,
        client_id: "user-service".into(),
        jti: Uuid::from_u128(1),
        sid: Uuid::from_u128(2),
        epoch: 1,
        roles: vec!["admin".into()],
    };
    let addressed = |iss: &str, aud: &str| {
        let mut claims = serde_json::to_value(&signed_claims).expect("claims serialise");
        claims["iss"] = iss.into();
        claims["aud"] = aud.into();
        claims
    };
    for algorithm in SigningAlgorithm::ALL {
        let pair = || KeyPair::from_private(algorithm, &KeyPair::generate(algorithm)).expect("a generated key");
        let (key, other) = (pair(), pair());
        let sign = |key, typ, iss, aud, alive: i64| -> SecretString {
            let expires = now + jiff::SignedDuration::from_secs(alive);
            sign_with(key, "k", typ, addressed(iss, aud), now, expires).into()
        };
        let read = |text: &str| {
            let read: VerifiedToken<AccessClaims> =
                verify_with(&parse_unverified(text)?, "k", key.public(), "issuer", "audience")?;
            read.check_expiry(now).map(|()| read.claims)
        };
        let accepted = sign(&key, "JWT", "issuer", "audience", 60);
        assert_eq!(read(accepted.expose_secret()).as_deref(), Ok(&signed_claims));
        assert!(read(sign(&key, "at+jwt", "issuer", "audience", 60).expose_secret()).is_ok());
        let expired = sign(&key, "JWT", "issuer", "audience", 0);
        assert_eq!(read(expired.expose_secret()), Err(TokenError::Expired));
        for refused in [
            sign(&key, "logout+jwt", "issuer", "audience", 60),
            sign(&key, "JWT", "other", "audience", 60),
            sign(&key, "JWT", "issuer", "other", 60),
            sign(&other, "JWT", "issuer", "audience", 60),
        ] {
            assert_eq!(read(refused.expose_secret()), Err(TokenError::Invalid));
        }
        corpus_with(&accepted).holds_for_text(|text| -> TestResult {
            if let Ok(claims) = read(text) {
                prop_assert_eq!(&*claims, &signed_claims);
            }
            Ok(())
        });
    }
}

/// The header names the algorithm, but the key decides on it: a forger who knows the public key cannot choose another.
#[test]
fn the_algorithm_of_the_header_must_be_that_of_the_key() {
    let now = Timestamp::from_second(1_800_000_000).expect("the timestamp is valid");
    for algorithm in SigningAlgorithm::ALL {
        let pair = KeyPair::from_private(algorithm, &KeyPair::generate(algorithm)).expect("a generated key");
        let claims = serde_json::json!({ "iss": "issuer", "aud": "audience" });
        let genuine = sign_with(&pair, "k", "JWT", claims, now, now + jiff::SignedDuration::from_secs(60));
        let [_, body, _] = genuine.split('.').collect::<Vec<_>>()[..] else { panic!("a JWS has three parts") };
        for named in ["none", "HS256", "ES256", "EdDSA", "RS256"] {
            let header = serde_json::json!({ "alg": named, "typ": "JWT", "kid": "k" }).to_string();
            let signed = format!("{}.{body}", BASE64_URL_SAFE_NO_PAD.encode(header));
            let text = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes())));
            let token = parse_unverified(&text).expect("the form is right");
            let read = verify_with::<serde::de::IgnoredAny>(&token, "k", pair.public(), "issuer", "audience");
            assert_eq!(read.is_ok(), named == algorithm.name(), "{named} with a key for {algorithm:?}");
        }
    }
}
