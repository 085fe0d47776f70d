//! A token: parses its header, verifies its signature, and checks its claims (RFC 7519, RFC 8725, RFC 9068).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::{
    error::Reason,
    jwk::{Algorithm, Key},
};

/// The maximum length of a token. Most servers refuse a header of that length anyway.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The claims of a verified token.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Claims {
    /// The user id, or `client:<id>` for a token of a machine.
    pub sub: String,
    /// The roles of the user. Empty if the claim is missing or no array of strings.
    pub roles: Vec<String>,
    /// The scopes. Empty if the claim is missing.
    pub scope: Vec<String>,
    /// The time from which on the token is not accepted any more, without the leeway.
    pub expires_at: SystemTime,
    /// The id of the session (`sid`), if there is one.
    pub session_id: Option<String>,
    /// All claims as JSON, including those above.
    pub all: Map<String, Value>,
}

impl Claims {
    /// Returns whether the user has this role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|it| it == role)
    }

    /// Returns whether the token has this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope.iter().any(|it| it == scope)
    }
}

/// What the claims of a token must match.
pub(crate) struct Expected {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) leeway: Duration,
}

/// A parsed token whose signature and claims were not checked yet.
pub(crate) struct Token<'a> {
    pub(crate) kid: String,
    algorithm: Algorithm,
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Parses the compact serialization and the header.
    pub(crate) fn parse(token: &'a str) -> Result<Self, Reason> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Reason::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Reason::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Reason::Malformed)?;
        let header = decode_object(header)?;
        let algorithm =
            header.get("alg").and_then(Value::as_str).and_then(Algorithm::parse).ok_or(Reason::Algorithm)?;
        if header.contains_key("crit") {
            return Err(Reason::CriticalHeader);
        }
        if !header.get("typ").is_none_or(is_access_token_type) {
            return Err(Reason::Type);
        }
        let kid = header.get("kid").and_then(Value::as_str).ok_or(Reason::NoKeyId)?.to_owned();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| Reason::Malformed)?;
        Ok(Self { kid, algorithm, signed, payload, signature })
    }

    /// Verifies the signature, then the claims.
    pub(crate) fn verify(&self, key: &Key, expected: &Expected, now: SystemTime) -> Result<Claims, Reason> {
        if key.algorithm() != self.algorithm {
            return Err(Reason::WrongKeyType);
        }
        if !key.verifies(self.signed.as_bytes(), &self.signature) {
            return Err(Reason::Signature);
        }
        check_claims(decode_object(self.payload)?, expected, now)
    }
}

fn decode_object(part: &str) -> Result<Map<String, Value>, Reason> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| Reason::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Reason::Malformed)
}

/// Compares the media type, whose prefix `application/` may be omitted (RFC 7515 section 4.1.9).
fn is_access_token_type(typ: &Value) -> bool {
    let Some(typ) = typ.as_str() else { return false };
    let short = match typ.split_once('/') {
        Some((prefix, short)) if prefix.eq_ignore_ascii_case("application") => short,
        _ => typ,
    };
    short.eq_ignore_ascii_case("JWT") || short.eq_ignore_ascii_case("at+jwt")
}

fn check_claims(all: Map<String, Value>, expected: &Expected, now: SystemTime) -> Result<Claims, Reason> {
    let text = |name: &str| all.get(name).and_then(Value::as_str);
    if text("iss").ok_or(Reason::Claims)? != expected.issuer {
        return Err(Reason::Issuer);
    }
    let for_us = match all.get("aud").ok_or(Reason::Claims)? {
        Value::Array(audiences) => audiences.iter().any(|audience| *audience == *expected.audience),
        audience => *audience == *expected.audience,
    };
    if !for_us {
        return Err(Reason::Audience);
    }
    let expires_at = time(all.get("exp").ok_or(Reason::Claims)?)?;
    if expires_at.checked_add(expected.leeway).is_some_and(|end| end <= now) {
        return Err(Reason::Expired);
    }
    let not_before = all.get("nbf").map(time).transpose()?;
    if not_before.is_some_and(|start| start.checked_sub(expected.leeway).is_some_and(|start| now < start)) {
        return Err(Reason::NotYetValid);
    }
    let sub = text("sub").filter(|sub| !sub.is_empty()).ok_or(Reason::Claims)?.to_owned();
    let names = |value: &Value| value.as_array()?.iter().map(|it| it.as_str().map(str::to_owned)).collect();
    Ok(Claims {
        sub,
        roles: all.get("roles").and_then(names).unwrap_or_default(),
        scope: text("scope").map(|all| all.split_ascii_whitespace().map(str::to_owned).collect()).unwrap_or_default(),
        expires_at,
        session_id: text("sid").map(str::to_owned),
        all,
    })
}

/// Converts a NumericDate (RFC 7519 section 2), which may have a fraction.
fn time(seconds: &Value) -> Result<SystemTime, Reason> {
    let seconds = seconds.as_f64().ok_or(Reason::Claims)?;
    let since_epoch = Duration::try_from_secs_f64(seconds).map_err(|_| Reason::Claims)?;
    UNIX_EPOCH.checked_add(since_epoch).ok_or(Reason::Claims)
}
