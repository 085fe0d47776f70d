//! The parameters of a public key in a JWK (RFC 7517, RFC 7518, RFC 8037), and their thumbprint (RFC 7638).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The parameters that make a key what it is. A thumbprint is the digest of exactly these members in the order of the
/// alphabet, which is the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublicJwk {
    /// `P-256` or `Ed25519`; RSA keys have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<&'static str>,
    /// The exponent of an RSA key, in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// `EC`, `OKP` or `RSA`
    pub kty: &'static str,
    /// The modulus of an RSA key, in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// The x coordinate of a P-256 key, or the Ed25519 key, in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The y coordinate of a P-256 key, in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
}

impl PublicJwk {
    /// Returns the parameters of the uncompressed point `4 ‖ x ‖ y` (SEC 1, section 2.3.3).
    pub(super) fn p256(point: &[u8]) -> Self {
        let (x, y) = point[1..].split_at(32);
        Self { crv: Some("P-256"), e: None, kty: "EC", n: None, x: Some(encode(x)), y: Some(encode(y)) }
    }

    pub(super) fn ed25519(public: &[u8]) -> Self {
        Self { crv: Some("Ed25519"), e: None, kty: "OKP", n: None, x: Some(encode(public)), y: None }
    }

    /// Returns the parameters of a modulus and an exponent, big-endian without leading zeros.
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Self {
        Self { crv: None, e: Some(encode(exponent)), kty: "RSA", n: Some(encode(modulus)), x: None, y: None }
    }

    /// Computes the thumbprint with SHA-256, which is the id of the key.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        encode(&Sha256::digest(serde_json::to_vec(self).expect("plain strings serialise")))
    }
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    #[test]
    fn the_thumbprint_of_an_rsa_key_is_that_of_rfc_7638_section_3_1() {
        let modulus = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWK\
                       RXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMic\
                       AtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3\
                       XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let jwk = PublicJwk::rsa(&decode(modulus), &decode("AQAB"));
        assert_eq!(jwk.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn the_thumbprint_of_an_ed25519_key_is_that_of_rfc_8037_appendix_a3() {
        let jwk = PublicJwk::ed25519(&decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
        assert_eq!(jwk.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    /// RFC 7638 has no elliptic curve among its examples.
    #[test]
    fn the_thumbprint_of_a_p256_key_is_that_of_rfc_9449_section_6_1() {
        let x = decode("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs");
        let y = decode("9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA");
        let jwk = PublicJwk::p256(&[&[4], x.as_slice(), &y].concat());
        assert_eq!(jwk.thumbprint(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    }
}
