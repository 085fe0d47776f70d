//! The OAuth endpoints for clients: tokens (RFC 6749, section 4.4), introspection (RFC 7662) and revocation (RFC 7009).

use actix_web::HttpResponse;
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    http::{errors::oauth_error_response::OAuthErrorBody, extractors::oauth_request::OAuthRequest},
    usecase::{self, Introspection, IssuedClientToken, OAuthError, TokenSubject},
};

/// The form of a request for a token. Other parameters are ignored (RFC 6749, section 3.2).
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(crate) struct TokenRequest {
    /// `client_credentials`
    #[schema(pattern = "^client_credentials$", example = "client_credentials")]
    grant_type: String,
    /// The requested scopes, with a space between them; all scopes of the client if it is missing.
    #[schema(nullable = false, example = "users:read")]
    scope: Option<String>,
    /// The client's id, if the request has no `Authorization: Basic`.
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// The client's secret, if the request has no `Authorization: Basic`.
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// The form of an introspection or a revocation. Other parameters are ignored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(crate) struct TokenForm {
    /// The token.
    #[schema(min_length = 1)]
    token: String,
    /// It is ignored, because a token shows what it is.
    #[schema(nullable = false)]
    token_type_hint: Option<String>,
    /// The client's id, if the request has no `Authorization: Basic`.
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// The client's secret, if the request has no `Authorization: Basic`.
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// A new access token (RFC 6749, section 5.1).
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenResponse {
    /// A JWT for `Authorization: Bearer`.
    access_token: String,
    /// `Bearer`
    token_type: &'static str,
    /// The lifetime of the token in seconds.
    expires_in: u64,
    /// The scopes of the token, with a space between them.
    scope: String,
}

/// What a token says (RFC 7662, section 2.2). A token that is not active has only the first member.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct IntrospectionResponse {
    /// Whether the token is valid now.
    active: bool,
    /// `Bearer`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token_type: Option<&'static str>,
    /// The id of the user, or `client:` and the id of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    jti: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    exp: Option<i64>,
    /// The scopes of a client's token, with a space between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scope: Option<String>,
    /// The current username of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    username: Option<String>,
    /// The current roles of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    roles: Option<Vec<String>>,
    /// The id of the user's session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sid: Option<Uuid>,
}

impl From<IssuedClientToken> for TokenResponse {
    fn from(issued: IssuedClientToken) -> Self {
        Self {
            access_token: issued.token.expose_secret().to_owned(),
            token_type: "Bearer",
            expires_in: issued.expires_in.as_secs(),
            scope: issued.scopes.to_string(),
        }
    }
}

impl From<Introspection> for IntrospectionResponse {
    fn from(found: Introspection) -> Self {
        let (sub, scope, user) = match found.subject {
            TokenSubject::User { user, session } => (user.id.to_string(), None, Some((user, session))),
            TokenSubject::Client { id, scopes } => (id.subject(), Some(scopes.to_string()), None),
        };
        let sid = user.as_ref().map(|(_, session)| *session);
        let (username, roles) = user.map(|(user, _)| (user.username, user.roles)).unzip();
        Self {
            active: true,
            token_type: Some("Bearer"),
            sub: Some(sub),
            client_id: Some(found.client_id),
            iss: Some(found.issuer),
            aud: Some(found.audience),
            jti: Some(found.id),
            iat: Some(found.issued_at.as_second()),
            exp: Some(found.expires_at.as_second()),
            scope,
            username,
            roles,
            sid,
        }
    }
}

/// Issues a token to a client (RFC 6749, section 4.4).
///
/// The client authenticates with `Authorization: Basic` or in the form. It may request the token again whenever it has
/// expired; there is no refresh token.
#[utoipa::path(post, path = "/oauth/token", tag = "oauth", operation_id = "issueClientToken", security(("client" = []), ()),
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token", body = TokenResponse),
        (status = 400, description = "`invalid_request`, `unsupported_grant_type` or `invalid_scope`", body = OAuthErrorBody),
        (status = 401, description = "`invalid_client`", body = OAuthErrorBody),
    ),
    extensions(("x-problems" = json!(["rate-limited: too many failures from this network; this response has `RateLimit-Policy` and `RateLimit`"]))))]
pub(in crate::http) async fn issue_client_token(request: OAuthRequest) -> Result<HttpResponse, OAuthError> {
    let OAuthRequest { accounts, origin, credentials, form } = request;
    let grant_type = form.get("grant_type").ok_or(OAuthError::InvalidRequest("`grant_type` is missing."))?;
    let issued = usecase::issue_client_token(&accounts, &credentials, grant_type, form.get("scope"), &origin).await?;
    Ok(HttpResponse::Ok().json(TokenResponse::from(issued)))
}

/// Says whether an access token is valid now, and what it says (RFC 7662).
///
/// The client needs the scope `tokens:introspect`. It may introspect the tokens of users and of clients. An ended
/// session, a disabled account, a disabled client and a revoked token are seen at once.
#[utoipa::path(post, path = "/oauth/introspect", tag = "oauth", operation_id = "introspectToken", security(("client" = []), ()),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "What the token says; `active` is false for an unknown token", body = IntrospectionResponse),
        (status = 400, description = "`invalid_request`, or `unauthorized_client` without the scope", body = OAuthErrorBody),
        (status = 401, description = "`invalid_client`", body = OAuthErrorBody),
    ),
    extensions(("x-problems" = json!(["rate-limited: too many failures from this network; this response has `RateLimit-Policy` and `RateLimit`"]))))]
pub(in crate::http) async fn introspect_token(request: OAuthRequest) -> Result<HttpResponse, OAuthError> {
    let OAuthRequest { accounts, origin, credentials, mut form } = request;
    let token = form.take_secret("token").ok_or(TOKEN_IS_MISSING)?;
    let found = usecase::introspect_token(&accounts, &credentials, &token, &origin).await?;
    Ok(HttpResponse::Ok().json(found.map(IntrospectionResponse::from).unwrap_or_default()))
}

/// Revokes a token (RFC 7009).
///
/// A client revokes its own access tokens. The refresh token of a user ends its session, like `POST /api/auth/logout`.
/// The response is 200 for an unknown token, too.
#[utoipa::path(post, path = "/oauth/revoke", tag = "oauth", operation_id = "revokeToken", security(("client" = []), ()),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token is not valid, or no longer"),
        (status = 400, description = "`invalid_request`, `invalid_grant` for the token of another client, or `unsupported_token_type` for the access token of a user", body = OAuthErrorBody),
        (status = 401, description = "`invalid_client`", body = OAuthErrorBody),
    ),
    extensions(("x-problems" = json!(["rate-limited: too many failures from this network; this response has `RateLimit-Policy` and `RateLimit`"]))))]
pub(in crate::http) async fn revoke_token(request: OAuthRequest) -> Result<HttpResponse, OAuthError> {
    let OAuthRequest { accounts, origin, credentials, mut form } = request;
    let token = form.take_secret("token").ok_or(TOKEN_IS_MISSING)?;
    usecase::revoke_token(&accounts, &credentials, &token, origin).await?;
    Ok(HttpResponse::Ok().finish())
}

const TOKEN_IS_MISSING: OAuthError = OAuthError::InvalidRequest("`token` is missing.");
