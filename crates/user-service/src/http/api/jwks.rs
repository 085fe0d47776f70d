//! `GET /.well-known/jwks.json`: returns the public keys of access tokens (RFC 7517).

use actix_web::{
    HttpResponse,
    http::header::{self, HeaderValue},
    web,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::responses::ApiResult;
use crate::{
    domain::key_schedule::JWKS_MAX_AGE,
    http::extractors::conditional::IfNoneMatch,
    keys::{PublicJwk, PublishedKey},
    usecase::AccountService,
};

/// A JWK set (RFC 7517).
#[derive(Serialize, ToSchema)]
pub(crate) struct JwkSet {
    keys: Vec<Jwk>,
}

/// A public key.
#[derive(Serialize, ToSchema)]
struct Jwk {
    /// `EC`, `OKP` or `RSA`
    kty: &'static str,
    /// `P-256` (EC) or `Ed25519` (OKP). RSA keys have none.
    #[schema(value_type = String, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<&'static str>,
    /// `ES256`, `EdDSA` or `RS256`
    alg: &'static str,
    /// `sig`
    #[serde(rename = "use")]
    usage: &'static str,
    /// The id of the key: its thumbprint (RFC 7638).
    kid: String,
    /// EC: the x coordinate. OKP: the public key. In base64url; RSA keys have none.
    #[schema(value_type = String, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    /// EC: the y coordinate, in base64url.
    #[schema(value_type = String, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    /// RSA: the modulus, in base64url.
    #[schema(value_type = String, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    /// RSA: the exponent, in base64url.
    #[schema(value_type = String, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
}

impl From<PublishedKey> for Jwk {
    fn from(PublishedKey { kid, public }: PublishedKey) -> Self {
        let alg = public.algorithm().name();
        let PublicJwk { crv, e, kty, n, x, y } = public.jwk().clone();
        Self { kty, crv, alg, usage: "sig", kid, x, y, n, e }
    }
}

/// Returns the public keys that verify access tokens.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "keys", operation_id = "getJwks",
    params(IfNoneMatch),
    responses(
        (status = 200, description = "The key set", body = JwkSet, headers(("ETag" = String))),
        (status = 304, description = "Not modified"),
    ))]
pub(in crate::http) async fn get_jwks(accounts: web::Data<AccountService>, if_none_match: IfNoneMatch) -> ApiResult {
    let keys: Vec<Jwk> = accounts.access_tokens.published_keys()?.into_iter().map(Jwk::from).collect();
    Ok(public_cache_control(if_none_match.respond(key_set_version(&keys), JwkSet { keys })))
}

/// Adds the time for which anyone may cache the response: that of a key set.
pub(super) fn public_cache_control(mut response: HttpResponse) -> HttpResponse {
    let max_age = HeaderValue::try_from(format!("public, max-age={}", JWKS_MAX_AGE.as_secs())).expect("visible ASCII");
    response.headers_mut().insert(header::CACHE_CONTROL, max_age);
    response
}

/// Returns a version that is equal for the same keys in the same order, because an id is the thumbprint of its key.
fn key_set_version(keys: &[Jwk]) -> String {
    let ids: Vec<&str> = keys.iter().map(|key| key.kid.as_str()).collect();
    hex::encode(&Sha256::digest(ids.join(" "))[..16])
}
