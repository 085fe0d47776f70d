//! `GET /api/auth/verify`: tells a gateway whose access token a request has (nginx `auth_request`, Caddy `forward_auth`,
//! Traefik `forwardAuth`).

use actix_web::{HttpRequest, HttpResponse, http::header::HeaderName, web};

use super::responses::ApiResult;
use crate::{
    http::{extractors::bearer_token::bearer_token, percent_encoding::percent_encode},
    usecase::{self, AccountService},
};

const USER_ID: HeaderName = HeaderName::from_static("x-user-id");
const USER_ROLES: HeaderName = HeaderName::from_static("x-user-roles");
const USER_EMAIL: HeaderName = HeaderName::from_static("x-user-email");
const USER_EMAIL_VERIFIED: HeaderName = HeaderName::from_static("x-user-email-verified");

/// Verifies an access token for a gateway.
///
/// The gateway lets a request pass only after a 204, and replaces all `X-User-*` headers of the request by those of the
/// response. Any other response means that the request must be refused, including a 503. A disabled or deleted account,
/// an ended session and a logout are seen at once. No rate limit applies, because all requests of a gateway come from one
/// address.
#[utoipa::path(get, path = "/api/auth/verify", tag = "session", operation_id = "verifyAccessToken", security(("bearer" = [])),
    responses((status = 204, description = "The token is valid", headers(
        ("X-User-Id" = Uuid, description = "The account's id"),
        ("X-User-Roles" = String, description = "The account's roles, separated by commas; empty without roles"),
        ("X-User-Email" = String, description = "The email address, percent-encoded (RFC 3986): all bytes of its UTF-8 form except letters, digits and `-._~`"),
        ("X-User-Email-Verified" = bool, description = "Whether the user has proved that the address is theirs"),
    ))))]
pub(in crate::http) async fn verify(accounts: web::Data<AccountService>, request: HttpRequest) -> ApiResult {
    let user = usecase::authenticate_session(&accounts, bearer_token(request.headers())?).await?;
    Ok(HttpResponse::NoContent()
        .insert_header((USER_ID, user.id.to_string()))
        .insert_header((USER_ROLES, user.roles.join(",")))
        .insert_header((USER_EMAIL, percent_encode(&user.email).to_string()))
        .insert_header((USER_EMAIL_VERIFIED, user.email_verified.to_string()))
        .finish())
}
