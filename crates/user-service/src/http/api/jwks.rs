//! `GET /.well-known/jwks.json`: returns the public keys of access tokens (RFC 7517).

use actix_web::{
    http::header::{self, HeaderValue},
    web,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::responses::ApiResult;
use crate::{
    domain::key_schedule::JWKS_MAX_AGE, http::extractors::conditional::IfNoneMatch, keys::PublicJwk,
    usecase::AccountService,
};

/// A JWK set (RFC 7517).
#[derive(Serialize, ToSchema)]
pub(crate) struct JwkSet {
    keys: Vec<Jwk>,
}

/// A public key: of the type `EC`, `OKP` or `RSA`.
#[derive(Serialize, ToSchema)]
struct Jwk {
    #[serde(flatten)]
    key: PublicJwk,
    /// `ES256`, `EdDSA` or `RS256`
    alg: &'static str,
    /// `sig`
    #[serde(rename = "use")]
    usage: &'static str,
    /// The id of the key: its thumbprint (RFC 7638).
    kid: String,
}

/// Returns the public keys that verify access tokens.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "keys", operation_id = "getJwks",
    params(IfNoneMatch),
    responses(
        (status = 200, description = "The key set", body = JwkSet, headers(("ETag" = String))),
        (status = 304, description = "Not modified"),
    ))]
pub(in crate::http) async fn get_jwks(accounts: web::Data<AccountService>, if_none_match: IfNoneMatch) -> ApiResult {
    let published = accounts.access_tokens.published_keys()?;
    let keys: Vec<Jwk> = published
        .into_iter()
        .map(|key| Jwk {
            key: key.public.jwk().clone(),
            alg: key.public.algorithm().name(),
            usage: "sig",
            kid: key.kid,
        })
        .collect();
    let max_age = HeaderValue::try_from(format!("public, max-age={}", JWKS_MAX_AGE.as_secs())).expect("visible ASCII");
    let mut response = if_none_match.respond(key_set_version(&keys), JwkSet { keys });
    response.headers_mut().insert(header::CACHE_CONTROL, max_age);
    Ok(response)
}

/// Returns a version that is equal for the same keys in the same order, because an id is the thumbprint of its key.
fn key_set_version(keys: &[Jwk]) -> String {
    let ids: Vec<&str> = keys.iter().map(|key| key.kid.as_str()).collect();
    hex::encode(&Sha256::digest(ids.join(" "))[..16])
}
