//! `GET /.well-known/jwks.json`: returns the public keys of access tokens (RFC 7517, RFC 8037).

use actix_web::{HttpResponse, http::header, web};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::{
    domain::key_schedule::JWKS_MAX_AGE,
    http::extractors::conditional::{IfNoneMatch, etag_header},
    problem::Problem,
    usecase::AccountService,
};

/// A JWK set (RFC 7517).
#[derive(Serialize, ToSchema)]
pub(crate) struct JwkSet {
    keys: Vec<Jwk>,
}

/// An Ed25519 public key.
#[derive(Serialize, ToSchema)]
struct Jwk {
    /// `OKP`
    kty: &'static str,
    /// `Ed25519`
    crv: &'static str,
    /// `EdDSA`
    alg: &'static str,
    /// `sig`
    #[serde(rename = "use")]
    usage: &'static str,
    /// The id of the key: its thumbprint (RFC 7638).
    kid: String,
    /// The public key in base64url.
    x: String,
}

/// Returns the public keys that verify access tokens.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "keys", operation_id = "getJwks",
    params(("If-None-Match" = Option<String>, Header, description = "The ETags that the client already has")),
    responses(
        (status = 200, description = "The key set", body = JwkSet, headers(("ETag" = String))),
        (status = 304, description = "Not modified"),
    ))]
pub(in crate::http) async fn get_jwks(
    accounts: web::Data<AccountService>,
    if_none_match: IfNoneMatch,
) -> Result<HttpResponse, Problem> {
    let published = accounts.access_tokens.published_keys()?;
    let keys: Vec<Jwk> = published
        .into_iter()
        .map(|key| Jwk {
            kty: "OKP",
            crv: "Ed25519",
            alg: "EdDSA",
            usage: "sig",
            kid: key.kid,
            x: BASE64_URL_SAFE_NO_PAD.encode(key.public.as_bytes()),
        })
        .collect();
    let max_age = format!("public, max-age={}", JWKS_MAX_AGE.as_secs());
    let version = key_set_version(&keys);
    let mut response = if if_none_match.matches(&version) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((header::CACHE_CONTROL, max_age)).insert_header(etag_header(&version));
    Ok(if if_none_match.matches(&version) { response.finish() } else { response.json(JwkSet { keys }) })
}

/// Returns a version that is equal for the same keys in the same order, because an id is the thumbprint of its key.
fn key_set_version(keys: &[Jwk]) -> String {
    let ids: Vec<&str> = keys.iter().map(|key| key.kid.as_str()).collect();
    hex::encode(&Sha256::digest(ids.join(" "))[..16])
}
