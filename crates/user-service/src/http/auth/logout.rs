//! `POST /api/auth/logout`.

use actix_web::{HttpResponse, web};

use super::refresh::Body;
use crate::{
    http::{
        json_body::JsonBody,
        problem::{Problem, ProblemDetails},
        request_context::RequestContext,
    },
    usecase::{self, Accounts},
};

/// Ends the session of the refresh token. 204 for any string.
#[utoipa::path(post, path = "/api/auth/logout", tag = "session", operation_id = "logout", request_body = Body,
    responses(
        (status = 204, description = "The session is over, if there was one"),
        (status = 400, description = "`malformed-body`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 413, description = "`body-too-large`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported-media-type`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "`validation-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`", body = ProblemDetails, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    context: RequestContext,
    JsonBody(body): JsonBody<Body>,
) -> Result<HttpResponse, Problem> {
    usecase::logout(&accounts.into_inner(), &body.refresh_token, context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}
