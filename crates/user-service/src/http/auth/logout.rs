//! `POST /api/auth/logout`.

use actix_web::{HttpResponse, web};

use super::refresh::Body;
use crate::{
    http::{
        json_body::JsonBody,
        problem::Problem,
        refusals::{BodyRefused, FloodRefused, TryLater},
        request_context::RequestContext,
    },
    usecase::{self, Accounts},
};

/// Ends the session of the refresh token. 204 for any string.
#[utoipa::path(post, path = "/api/auth/logout", tag = "session", operation_id = "logout", request_body = Body,
    responses(
        (status = 204, description = "The session is over, if there was one"),
        BodyRefused, FloodRefused, TryLater,
    ))]
pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    context: RequestContext,
    JsonBody(body): JsonBody<Body>,
) -> Result<HttpResponse, Problem> {
    usecase::logout(&accounts.into_inner(), &body.refresh_token, context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}
