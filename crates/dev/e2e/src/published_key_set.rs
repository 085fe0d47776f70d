//! Verifies an access token as another system does: with nothing but the published key set.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::Value;

/// Returns the header and the claims of a token whose signature a key of the set verifies, and `None` without such a key.
///
/// # Panics
/// Panics if the token is no JWS, or the set has no keys.
#[must_use]
pub fn verify(token: &str, key_set: &Value) -> Option<(Value, Value)> {
    let (signed, signature) = token.rsplit_once('.').expect("a token has a signature");
    let (header, claims) = signed.split_once('.').expect("a token has a header");
    let (header, claims) = (part(header), part(claims));
    let keys = key_set["keys"].as_array().expect("a key set has keys");
    let key = keys.iter().find(|key| key["kid"] == header["kid"] && key["alg"] == header["alg"])?;
    let member = |name: &str| bytes(key[name].as_str().expect("the key has the member"));
    let (message, signature) = (signed.as_bytes(), bytes(signature));
    let verified = match (header["alg"].as_str()?, key["kty"].as_str()?, key["crv"].as_str()) {
        ("ES256", "EC", Some("P-256")) => {
            let point = [vec![4], member("x"), member("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &signature)
        }
        ("EdDSA", "OKP", Some("Ed25519")) => UnparsedPublicKey::new(&ED25519, member("x")).verify(message, &signature),
        ("RS256", "RSA", None) => RsaPublicKeyComponents { n: member("n"), e: member("e") }.verify(
            &RSA_PKCS1_2048_8192_SHA256,
            message,
            &signature,
        ),
        _ => return None,
    };
    verified.ok().map(|()| (header, claims))
}

fn part(text: &str) -> Value {
    serde_json::from_slice(&bytes(text)).expect("a part of a JWT is JSON")
}

fn bytes(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url")
}
