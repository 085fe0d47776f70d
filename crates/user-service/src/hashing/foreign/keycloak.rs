//! Converts a credential of a Keycloak realm export: `secretData` and `credentialData`, each a JSON object or a string
//! that contains one.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    ForeignHash,
    pbkdf2::{Pbkdf2, Prf},
    phc,
};
use crate::hashing::hash_error::UnusableHash;

/// Converts the hash of a credential to its stored format.
pub(in crate::hashing) fn canonicalize(credential: &Value) -> Result<String, UnusableHash> {
    let (secret, data) = (object(&credential["secretData"])?, object(&credential["credentialData"])?);
    let text = |value: &Value| value.as_str().map(phc::decode_base64).ok_or(UnusableHash::Malformed)?;
    let (hash, salt) = (text(&secret["value"])?, text(&secret["salt"])?);
    let iterations = number(&data["hashIterations"])?;
    let prf = match data["algorithm"].as_str().ok_or(UnusableHash::InvalidParameters)? {
        "pbkdf2" => Prf::Sha1,
        "pbkdf2-sha256" => Prf::Sha256,
        "pbkdf2-sha512" => Prf::Sha512,
        "argon2" => return canonicalize_argon2(&data["additionalParameters"], iterations, &salt, &hash),
        _ => return Err(UnusableHash::UnknownAlgorithm),
    };
    Pbkdf2::new(prf, iterations, salt, hash).map(|hash| ForeignHash::Pbkdf2(hash).to_stored())
}

/// Converts an Argon2 hash. Each of its parameters is a list of one string.
fn canonicalize_argon2(parameters: &Value, iterations: u32, salt: &[u8], hash: &[u8]) -> Result<String, UnusableHash> {
    let one = |name: &str| parameters[name][0].as_str().ok_or(UnusableHash::InvalidParameters);
    let name = match one("type")? {
        "id" => "argon2id",
        "i" => "argon2i",
        "d" => return Err(UnusableHash::Unsupported("Argon2d")),
        _ => return Err(UnusableHash::InvalidParameters),
    };
    let version = match one("version")? {
        "1.3" => 19,
        "1.0" => 16,
        _ => return Err(UnusableHash::InvalidParameters),
    };
    let number = |name| one(name)?.parse::<u32>().map_err(|_| UnusableHash::InvalidParameters);
    let (memory, parallelism) = (number("memory")?, number("parallelism")?);
    let (salt, hash) = (phc::encode_base64(salt), phc::encode_base64(hash));
    Ok(format!("${name}$v={version}$m={memory},t={iterations},p={parallelism}${salt}${hash}"))
}

fn number(value: &Value) -> Result<u32, UnusableHash> {
    value.as_u64().and_then(|number| u32::try_from(number).ok()).ok_or(UnusableHash::InvalidParameters)
}

fn object(value: &Value) -> Result<Cow<'_, Value>, UnusableHash> {
    match value {
        Value::Object(_) => Ok(Cow::Borrowed(value)),
        Value::String(text) => serde_json::from_str(text).map(Cow::Owned).map_err(|_| UnusableHash::Malformed),
        _ => Err(UnusableHash::Malformed),
    }
}
