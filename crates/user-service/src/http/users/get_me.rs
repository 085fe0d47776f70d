//! `GET /api/users/me`: one's own account.

use actix_web::HttpResponse;

use super::UserBody;
use crate::http::{
    conditional::{IfNoneMatch, etag_header, not_modified},
    problem::{Problem, ProblemDetails},
    refusals::{NotSignedIn, TryLater},
    signed_in_caller::SignedInCaller,
};

/// The account of the access token.
#[utoipa::path(get, path = "/api/users/me", tag = "account", operation_id = "getMe", security(("bearer" = [])),
    params(("If-None-Match" = Option<String>, Header, description = "ETags that the client has")),
    responses(
        (status = 200, description = "The account", body = UserBody, headers(("ETag" = String))),
        (status = 304, description = "Not changed since"),
        (status = 422, description = "`validation-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        NotSignedIn, TryLater,
    ))]
pub(in crate::http) async fn get(
    SignedInCaller(caller): SignedInCaller,
    if_none_match: IfNoneMatch,
) -> Result<HttpResponse, Problem> {
    let version = caller.user.version;
    if if_none_match.has(version) {
        return Ok(not_modified(version));
    }
    Ok(HttpResponse::Ok().insert_header(etag_header(version)).json(UserBody::from(caller.user.user())))
}
