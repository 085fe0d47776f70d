//! `GET /.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`: where a system that knows only
//! the issuer finds the keys and the endpoints for clients (RFC 8414).
//!
//! Both paths have the same document: most libraries look for it at the path of OpenID Connect Discovery, although this
//! service is no OpenID provider.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use url::Url;
use utoipa::ToSchema;

use super::{jwks::public_cache_control, responses::ApiResult};
use crate::{http::extractors::conditional::IfNoneMatch, problem::Problem};

/// How a client authenticates at the three endpoints for clients (RFC 6749, section 2.3.1).
const CLIENT_AUTHENTICATION: &[&str] = &["client_secret_basic", "client_secret_post"];
/// What a client can be allowed to do.
const SCOPES: &[&str] = &[
    "users:read",
    "users:create",
    "users:write",
    "users:disable",
    "users:invite",
    "sessions:end",
    "tokens:introspect",
];

/// The metadata of the authorization server.
///
/// These members are missing because they would not be true:
/// - `authorization_endpoint`: users sign in with the API of this service and not by a redirect. RFC 8414 requires it
///   only for grants that use it.
/// - `id_token_signing_alg_values_supported`, `userinfo_endpoint`, `claims_supported`: there are no ID tokens. `alg` of a
///   JWK is how access tokens are signed. OpenID Connect Discovery requires the first of them, so that a library for ID
///   tokens has to be told the algorithm (for example `SupportedSigningAlgs` of go-oidc, which else takes RS256).
/// - `registration_endpoint`: clients are made by operators and administrators.
/// - `code_challenge_methods_supported`: there are no codes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServerMetadata {
    /// `iss` of every token. Libraries refuse a document whose issuer is not the one that they know.
    issuer: String,
    /// The key set. Resource servers of Spring Security and go-oidc read no other member but this one and the issuer.
    jwks_uri: String,
    token_endpoint: String,
    /// `client_secret_basic` and `client_secret_post`. Without this member, only the first would be meant.
    token_endpoint_auth_methods_supported: &'static [&'static str],
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: &'static [&'static str],
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: &'static [&'static str],
    /// `client_credentials`. Without this member, codes and implicit grants would be meant.
    grant_types_supported: &'static [&'static str],
    /// Empty, because there is no authorization endpoint. RFC 8414 requires the member.
    response_types_supported: &'static [&'static str],
    scopes_supported: &'static [&'static str],
    /// `public`: `sub` of a user is the same for everyone. Spring's client reads no document without this member.
    subject_types_supported: &'static [&'static str],
    /// The documentation of the API, if this service has it.
    #[schema(value_type = String, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    service_documentation: Option<String>,
}

/// The document, which does not change while the service runs, and its version.
pub struct Discovery(Option<(ServerMetadata, String)>);

impl Discovery {
    /// Makes the document of this issuer; `docs` says whether there is a documentation at `/docs/`. There is no document
    /// if the issuer cannot be one by RFC 8414, section 2: it is no URL with `http` or `https`, or it has a query or a
    /// fragment. All addresses are below that of the issuer.
    #[must_use]
    pub fn new(issuer: &str, docs: bool) -> Self {
        let metadata = is_issuer_url(issuer).then(|| metadata(issuer, docs));
        Self(metadata.map(|metadata| {
            let json = serde_json::to_vec(&metadata).expect("plain strings serialise");
            (metadata, hex::encode(&Sha256::digest(json)[..16]))
        }))
    }

    fn respond(&self, if_none_match: &IfNoneMatch) -> Result<HttpResponse, Problem> {
        let (metadata, version) = self.0.as_ref().ok_or(Problem::NotFound)?;
        Ok(public_cache_control(if_none_match.respond(version, metadata)))
    }
}

fn is_issuer_url(issuer: &str) -> bool {
    Url::parse(issuer).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.fragment().is_none()
    })
}

fn metadata(issuer: &str, docs: bool) -> ServerMetadata {
    let at = |path: &str| format!("{}{path}", issuer.trim_end_matches('/'));
    ServerMetadata {
        issuer: issuer.to_owned(),
        jwks_uri: at("/.well-known/jwks.json"),
        token_endpoint: at("/oauth/token"),
        token_endpoint_auth_methods_supported: CLIENT_AUTHENTICATION,
        introspection_endpoint: at("/oauth/introspect"),
        introspection_endpoint_auth_methods_supported: CLIENT_AUTHENTICATION,
        revocation_endpoint: at("/oauth/revoke"),
        revocation_endpoint_auth_methods_supported: CLIENT_AUTHENTICATION,
        grant_types_supported: &["client_credentials"],
        response_types_supported: &[],
        scopes_supported: SCOPES,
        subject_types_supported: &["public"],
        service_documentation: docs.then(|| at("/docs/")),
    }
}

/// Returns the metadata of the authorization server (RFC 8414), at the path of OpenID Connect Discovery.
#[utoipa::path(get, path = "/.well-known/openid-configuration", tag = "keys", operation_id = "getOpenidConfiguration",
    params(IfNoneMatch),
    responses(
        (status = 200, description = "The metadata", body = ServerMetadata, headers(("ETag" = String))),
        (status = 304, description = "Not modified"),
    ),
    extensions(("x-problems" = json!(["not-found: the issuer is no URL"]))))]
pub(in crate::http) async fn get_openid_configuration(
    discovery: web::Data<Discovery>,
    if_none_match: IfNoneMatch,
) -> ApiResult {
    discovery.respond(&if_none_match)
}

/// Returns the metadata of the authorization server (RFC 8414).
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "keys", operation_id = "getAuthorizationServer",
    params(IfNoneMatch),
    responses(
        (status = 200, description = "The metadata", body = ServerMetadata, headers(("ETag" = String))),
        (status = 304, description = "Not modified"),
    ),
    extensions(("x-problems" = json!(["not-found: the issuer is no URL"]))))]
pub(in crate::http) async fn get_authorization_server(
    discovery: web::Data<Discovery>,
    if_none_match: IfNoneMatch,
) -> ApiResult {
    discovery.respond(&if_none_match)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(issuer: &str, docs: bool) -> Option<serde_json::Value> {
        Discovery::new(issuer, docs).0.map(|(metadata, _)| serde_json::to_value(metadata).unwrap())
    }

    #[test]
    fn the_document_has_the_issuer_as_configured_and_all_addresses_below_it() {
        for issuer in ["https://id.example.org", "https://id.example.org/", "http://localhost:3000/auth"] {
            let found = document(issuer, true).unwrap();
            assert_eq!(found["issuer"], issuer);
            let base = issuer.trim_end_matches('/');
            for (member, path) in [
                ("jwks_uri", "/.well-known/jwks.json"),
                ("token_endpoint", "/oauth/token"),
                ("introspection_endpoint", "/oauth/introspect"),
                ("revocation_endpoint", "/oauth/revoke"),
                ("service_documentation", "/docs/"),
            ] {
                assert_eq!(found[member], format!("{base}{path}"));
            }
        }
        assert_eq!(document("https://id.example.org", false).unwrap().get("service_documentation"), None);
    }

    /// A member that would not be true, and those that are required.
    #[test]
    fn the_document_claims_neither_an_authorization_endpoint_nor_id_tokens() {
        let found = document("https://id.example.org", true).unwrap();
        let members: Vec<&str> = found.as_object().unwrap().keys().map(String::as_str).collect();
        let untrue =
            |name: &&&str| ["authorization", "id_token", "userinfo", "code_"].iter().any(|it| name.contains(it));
        assert_eq!(members.iter().find(untrue), None);
        assert_eq!(found["response_types_supported"], json!([]));
        assert_eq!(found["grant_types_supported"], json!(["client_credentials"]));
        assert_eq!(found["subject_types_supported"], json!(["public"]));
    }

    #[test]
    fn an_issuer_that_is_no_url_has_no_document() {
        for issuer in [
            "acme",
            "localhost:3000",
            "urn:example:id",
            "ftp://example.org",
            "https://a.example/?x",
            "https://a.example/#x",
        ] {
            assert_eq!(document(issuer, true), None, "{issuer}");
        }
    }
}
