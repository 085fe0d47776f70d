//! Tokens as attackers make them from a genuine one.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use openssl::{
    bn::BigNum,
    ec::{EcGroup, EcKey},
    ecdsa::EcdsaSig,
    hash::MessageDigest,
    nid::Nid,
    pkey::{Id, PKey, Private, Public},
    rsa::Rsa,
    sign::Signer,
};
use serde_json::{Value, json};

/// A signed token, taken apart.
#[derive(Debug)]
pub(crate) struct Jws {
    header: Value,
    claims: Value,
    signature: String,
}

impl Jws {
    pub(crate) fn parse(token: &str) -> Self {
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else { panic!("the token has {} parts", parts.len()) };
        let decoded = |part| serde_json::from_slice(&decode(part)).expect("a part of a JWT is JSON");
        Self { header: decoded(header), claims: decoded(claims), signature: signature.to_owned() }
    }

    pub(crate) fn key_id(&self) -> &str {
        self.header["kid"].as_str().expect("the header names the key")
    }

    /// Returns the time of expiry in seconds since 1970.
    pub(crate) fn expires_at(&self) -> u64 {
        self.claims["exp"].as_u64().expect("the token expires")
    }

    /// Returns the token without a signature, with `alg: none`.
    pub(crate) fn unsigned(&self) -> String {
        let mut header = self.header.clone();
        header["alg"] = "none".into();
        format!("{}.{}.", encode_json(&header), encode_json(&self.claims))
    }

    /// Returns the token with the id and the role of another user, and the signature as it was.
    pub(crate) fn with_changed_claims(&self) -> String {
        let mut claims = self.claims.clone();
        claims["sub"] = "00000000-0000-4000-8000-000000000000".into();
        claims["roles"] = json!(["admin"]);
        format!("{}.{}.{}", encode_json(&self.header), encode_json(&claims), self.signature)
    }

    /// Returns a token whose key id is in no key set.
    pub(crate) fn with_unknown_key(&self) -> String {
        let mut header = self.header.clone();
        header["kid"] = "unknown".into();
        format!("{}.{}.{}", encode_json(&header), encode_json(&self.claims), self.signature)
    }
}

/// An attacker with a key of the same algorithm.
pub(crate) enum Forger {
    Es256(PKey<Private>),
    EdDsa(PKey<Private>),
    Rs256(PKey<Private>),
}

impl Forger {
    pub(crate) fn new(algorithm: &str) -> Self {
        match algorithm {
            "ES256" => {
                let key = EcKey::generate(&p256()).and_then(PKey::from_ec_key);
                Self::Es256(key.expect("a key can be generated"))
            }
            "EdDSA" => Self::EdDsa(PKey::generate_ed25519().expect("a key can be generated")),
            "RS256" => Self::Rs256(Rsa::generate(2048).and_then(PKey::from_rsa).expect("a key can be generated")),
            other => panic!("unknown algorithm {other}"),
        }
    }

    /// Signs header and claims of a genuine token. The header names the genuine key.
    pub(crate) fn sign(&self, genuine: &Jws) -> String {
        let message = format!("{}.{}", encode_json(&genuine.header), encode_json(&genuine.claims));
        let signature = match self {
            Self::Es256(key) => {
                let signature = EcdsaSig::from_der(&sign(key, Some(MessageDigest::sha256()), &message));
                let signature = signature.expect("OpenSSL's own form");
                let half = |number: &openssl::bn::BigNumRef| number.to_vec_padded(32).expect("the number fits");
                [half(signature.r()), half(signature.s())].concat()
            }
            Self::EdDsa(key) => sign(key, None, &message),
            Self::Rs256(key) => sign(key, Some(MessageDigest::sha256()), &message),
        };
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Returns a token with an HMAC whose secret is the public key as text: a verifier that takes the algorithm from the
/// token and the key from the issuer would accept it.
pub(crate) fn hs256_with_public_key(genuine: &Jws, key_set: &Value) -> String {
    let keys = key_set["keys"].as_array().expect("a key set has keys");
    let key = keys.iter().find(|key| key["kid"] == genuine.key_id()).expect("the key is public");
    let secret = public_key(key).public_key_to_pem().expect("a public key has a PEM form");
    let mut header = genuine.header.clone();
    header["alg"] = "HS256".into();
    let message = format!("{}.{}", encode_json(&header), encode_json(&genuine.claims));
    let key = PKey::hmac(&secret).expect("any bytes are a key");
    let signature = sign(&key, Some(MessageDigest::sha256()), &message);
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

fn sign(key: &PKey<Private>, digest: Option<MessageDigest>, message: &str) -> Vec<u8> {
    let signer = match digest {
        Some(digest) => Signer::new(digest, key),
        None => Signer::new_without_digest(key),
    };
    let mut signer = signer.expect("the key can sign");
    signer.sign_oneshot_to_vec(message.as_bytes()).expect("the key signs")
}

fn public_key(jwk: &Value) -> PKey<Public> {
    let member = |name: &str| decode(jwk[name].as_str().expect("the key has the member"));
    let number = |name: &str| BigNum::from_slice(&member(name)).expect("bytes are a number");
    let key = match jwk["kty"].as_str() {
        Some("EC") => {
            EcKey::from_public_key_affine_coordinates(&p256(), &number("x"), &number("y")).and_then(PKey::from_ec_key)
        }
        Some("OKP") => PKey::public_key_from_raw_bytes(&member("x"), Id::ED25519),
        Some("RSA") => Rsa::from_public_components(number("n"), number("e")).and_then(PKey::from_rsa),
        other => panic!("unknown type of key {other:?}"),
    };
    key.expect("a published key is valid")
}

fn p256() -> EcGroup {
    EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("OpenSSL knows the curve")
}

fn encode_json(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

fn decode(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url")
}
