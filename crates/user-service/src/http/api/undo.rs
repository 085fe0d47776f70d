//! `POST /api/auth/undo`: undoes a change with the token from its notice.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    http::{
        errors::{
            openapi_responses::{RateLimited, ServiceUnavailable},
            problem_response::ProblemDetails,
        },
        extractors::json_body::JsonBody,
        middleware::request_context::RequestContext,
    },
    problem::Problem,
    usecase::{self, AccountService},
};

/// The token from the link in the mail.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = UndoToken)]
pub(crate) struct UndoTokenBody {
    #[schema(value_type = String)]
    token: SecretString,
}

/// Undoes a change of the password, of TOTP or of the recovery codes, with the token from the notice of the change.
///
/// All sessions end. A changed password becomes unusable, and a link to choose a new one is mailed. TOTP that was turned
/// on is removed. New recovery codes become void. A token works once.
#[utoipa::path(post, path = "/api/auth/undo", tag = "password", operation_id = "undoChange", request_body = UndoTokenBody,
    responses(
        (status = 204, description = "The change is undone"),
        (status = 400, description = "`malformed-body`, `token-invalid`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 413, description = "`body-too-large`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported-media-type`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "`validation-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        RateLimited, ServiceUnavailable,
    ))]
pub(in crate::http) async fn undo_change(
    accounts: web::Data<AccountService>,
    context: RequestContext,
    JsonBody(body): JsonBody<UndoTokenBody>,
) -> Result<HttpResponse, Problem> {
    usecase::undo_change(&accounts.into_inner(), body.token.expose_secret(), context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}
