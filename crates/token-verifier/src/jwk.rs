//! Public keys: parses a JWK set (RFC 7517), and verifies a signature with a key of it.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature;
use serde_json::Value;

/// The maximum number of keys in a set. Large providers publish ten to twenty.
const MAX_KEYS: usize = 100;

/// The signature algorithms (RFC 7518, RFC 8037) that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Es256,
    EdDsa,
    Rs256,
}

impl Algorithm {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            "RS256" => Some(Self::Rs256),
            _ => None,
        }
    }
}

/// A public key. Its kind determines the only algorithm that it verifies.
pub(crate) enum Key {
    /// The uncompressed point, as in SEC 1.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl Key {
    /// Parses a JWK. Returns `None` for every key that cannot verify access tokens: RFC 7517 section 5 demands that
    /// these are ignored.
    fn parse(jwk: &Value) -> Option<Self> {
        let text = |name: &str| jwk.get(name)?.as_str();
        let bytes = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(text(name)?).ok();
        let coordinate = |name: &str| bytes(name).filter(|bytes| bytes.len() == 32);
        if jwk.get("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        let verifies =
            |operations: &Value| operations.as_array().is_some_and(|all| all.iter().any(|it| it == "verify"));
        if jwk.get("key_ops").is_some_and(|operations| !verifies(operations)) {
            return None;
        }
        let key = match (text("kty")?, text("crv")) {
            ("EC", Some("P-256")) => Self::P256([vec![4], coordinate("x")?, coordinate("y")?].concat()),
            ("OKP", Some("Ed25519")) => Self::Ed25519(coordinate("x")?),
            ("RSA", _) => Self::Rsa { n: bytes("n")?, e: bytes("e")? },
            _ => return None,
        };
        let same_algorithm = |name: &Value| name.as_str().and_then(Algorithm::parse) == Some(key.algorithm());
        if jwk.get("alg").is_some_and(|name| !same_algorithm(name)) {
            return None;
        }
        Some(key)
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::P256(_) => Algorithm::Es256,
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::Rsa { .. } => Algorithm::Rs256,
        }
    }

    /// Returns whether the signature of the message is genuine. RSA keys must have 2048 to 8192 bits.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            Self::P256(point) => {
                signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Self::Ed25519(point) => {
                signature::UnparsedPublicKey::new(&signature::ED25519, point).verify(message, signature)
            }
            Self::Rsa { n, e } => signature::RsaPublicKeyComponents { n, e }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
        };
        verified.is_ok()
    }
}

/// The keys of a set that can verify access tokens, by key id.
pub(crate) type Keys = HashMap<String, Arc<Key>>;

/// Parses a JWK set. Of keys with the same id, the first counts.
pub(crate) fn parse_set(body: &[u8]) -> Result<Keys, String> {
    let set: Value = serde_json::from_slice(body).map_err(|error| format!("the JWKS is not JSON: {error}"))?;
    let listed = set.get("keys").and_then(Value::as_array).ok_or("the JWKS has no array `keys`")?;
    if listed.len() > MAX_KEYS {
        return Err(format!("the JWKS has {} keys, more than {MAX_KEYS}", listed.len()));
    }
    let mut keys = Keys::new();
    for jwk in listed {
        if let (Some(kid), Some(key)) = (jwk.get("kid").and_then(Value::as_str), Key::parse(jwk)) {
            keys.entry(kid.to_owned()).or_insert_with(|| Arc::new(key));
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Returns whether the key verifies the JWS, as it is and with one changed bit in message or signature.
    fn verifies(jwk: &Value, jws: &str) -> [bool; 3] {
        let key = Key::parse(jwk).expect("the key is supported");
        let (message, signature) = jws.rsplit_once('.').unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        let (mut other_message, mut other_signature) = (message.as_bytes().to_vec(), signature.clone());
        other_message[0] ^= 1;
        other_signature[40] ^= 1;
        [
            key.verifies(message.as_bytes(), &signature),
            key.verifies(&other_message, &signature),
            key.verifies(message.as_bytes(), &other_signature),
        ]
    }

    #[test]
    fn the_es256_signature_of_rfc_7515_a3_is_genuine() {
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" });
        let jws = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc\
            19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        assert_eq!(verifies(&jwk, jws), [true, false, false]);
    }

    #[test]
    fn the_eddsa_signature_of_rfc_8037_a4_is_genuine() {
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        let jws = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR\
            6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert_eq!(verifies(&jwk, jws), [true, false, false]);
    }

    #[test]
    fn the_rs256_signature_of_rfc_7515_a2_is_genuine() {
        let jwk = json!({ "kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddx\
            HmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-\
            bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7\
            aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" });
        let jws = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc\
            19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W\
            2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0G\
            arZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq\
            Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        assert_eq!(verifies(&jwk, jws), [true, false, false]);
    }

    #[test]
    fn an_rsa_key_of_1024_bits_verifies_nothing() {
        let modulus = BASE64_URL_SAFE_NO_PAD.encode([0xff; 128]);
        let key = Key::parse(&json!({ "kty": "RSA", "e": "AQAB", "n": modulus })).unwrap();
        assert!(!key.verifies(b"message", &[1; 128]));
    }

    #[test]
    fn keys_for_other_purposes_are_ignored_and_the_first_of_two_with_one_id_counts() {
        let ed25519 = |kid: &str, x: u8| json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": BASE64_URL_SAFE_NO_PAD.encode([x; 32]) });
        let with = |kid: &str, name: &str, value: Value| {
            let mut jwk = ed25519(kid, 1);
            jwk[name] = value;
            jwk
        };
        let set = json!({ "keys": [
            ed25519("good", 7), ed25519("good", 8), with("also good", "key_ops", json!(["verify"])),
            with("1", "use", json!("enc")), with("2", "key_ops", json!(["sign"])), with("3", "alg", json!("ES256")),
            with("4", "alg", json!(null)), with("5", "crv", json!("X25519")), with("6", "kty", json!("oct")),
            with("7", "x", json!("AA")), with("8", "kid", json!(8)), with("9", "use", json!(null)),
            json!({ "kty": "oct", "kid": "10", "k": "AAAA", "alg": "HS256" }), json!("11"), json!(null),
        ] });
        let keys = parse_set(set.to_string().as_bytes()).unwrap();
        let mut ids: Vec<&str> = keys.keys().map(String::as_str).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["also good", "good"]);
        assert!(matches!(keys["good"].as_ref(), Key::Ed25519(x) if *x == [7; 32]));
    }

    #[test]
    fn a_set_with_too_many_keys_is_refused_as_a_whole() {
        let set = |count: usize| json!({ "keys": vec![json!({}); count] }).to_string();
        assert!(parse_set(set(MAX_KEYS).as_bytes()).is_ok());
        assert!(parse_set(set(MAX_KEYS + 1).as_bytes()).is_err());
    }
}
