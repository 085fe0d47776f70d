//! Property tests for any text in the place of a token: only tokens that this service issued are valid, and a changed
//! token is not.

use std::time::Duration;

use corpus::{Corpus, TestResult, corpus};
use ed25519_dalek::SigningKey;
use jiff::Timestamp;
use jwt_compact::{AlgorithmExt, Claims, Header, alg::Ed25519};
use proptest::prelude::*;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::{
    access_token::{AccessClaims, parse_unverified, verify_signature},
    *,
};
use crate::keys::KeyEncryptionKey;

const SESSION: Uuid = Uuid::from_u128(7);
const SALT: &[u8] = b"0123456789abcdef";

/// Returns the corpus of tokens together with copies of a genuine one, which the test changes.
fn corpus_with(genuine: &SecretString) -> Corpus {
    let genuine = std::iter::repeat_n(genuine.expose_secret().as_bytes().to_vec(), 20);
    Corpus::from_inputs("corpus/token and a genuine one", genuine.chain(corpus!("token").cases().map(<[u8]>::to_vec)))
}

#[test]
fn only_the_issued_refresh_token_is_genuine() {
    let tokens = RefreshTokens::new(&KeyEncryptionKey::for_test(7));
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
    let key = SigningKey::from_bytes(&[9; 32]);
    let now = Timestamp::from_second(1_800_000_000).expect("the timestamp is valid");
    let signed_claims = AccessClaims {
        iss: "http://localhost:3000".into(),
        aud: "user-service".into(),
        sub: SESSION,
        client_id: "user-service".into(),
        jti: Uuid::from_u128(1),
        sid: Uuid::from_u128(2),
        epoch: 1,
        roles: vec!["admin".into()],
    };
    let genuine = |typ: &str, alive: i64| -> SecretString {
        let mut claims = Claims::new(signed_claims.clone());
        claims.expiration = chrono::DateTime::from_timestamp(now.as_second() + alive, 0);
        let header = Header::empty().with_token_type(typ).with_key_id("k");
        Ed25519.token(&header, &claims, &key).expect("claims serialise").into()
    };
    let read =
        |text: &str| verify_signature(&parse_unverified(text)?, "k", &key.verifying_key())?.unexpired_claims(now);
    let accepted = genuine("at+jwt", 60);
    assert_eq!(read(accepted.expose_secret()).ok().as_deref(), Some(&signed_claims));
    assert!(matches!(read(genuine("at+jwt", 0).expose_secret()), Err(TokenError::Expired)));
    assert!(read(genuine("JWT", 60).expose_secret()).is_err(), "an ID token is not an access token");
    corpus_with(&accepted).holds_for_text(|text| -> TestResult {
        if let Ok(claims) = read(text) {
            prop_assert_eq!(&*claims, &signed_claims);
        }
        Ok(())
    });
}
