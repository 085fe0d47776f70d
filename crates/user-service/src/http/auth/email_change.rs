//! `POST /api/auth/email-change/confirm` and `…/undo`.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    http::{
        json_body::JsonBody,
        problem::{Problem, ProblemDetails},
        refusals::{Throttled, TryLater},
        request_context::RequestContext,
    },
    usecase::{self, Accounts},
};

/// The token from the mail.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = EmailChangeToken)]
pub(crate) struct Body {
    #[schema(value_type = String)]
    token: SecretString,
}

/// Confirms the new address: it is the account's from now on. The old one stays reserved
/// for some days and gets a link to undo the change.
#[utoipa::path(post, path = "/api/auth/email-change/confirm", tag = "e-mail", operation_id = "confirmEmailChange", request_body = Body,
    responses(
        (status = 204, description = "Changed"),
        (status = 400, description = "`malformed-body`, `token-invalid`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`email-taken`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 413, description = "`body-too-large`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported-media-type`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "`validation-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        Throttled, TryLater,
    ))]
pub(in crate::http) async fn confirm(
    accounts: web::Data<Accounts>,
    context: RequestContext,
    JsonBody(body): JsonBody<Body>,
) -> Result<HttpResponse, Problem> {
    usecase::confirm_email_change(&accounts.into_inner(), body.token.expose_secret(), context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Takes a change of the address back, and all that came after it. All sessions end, and
/// a link to choose a new password is mailed to the address that is in force again.
#[utoipa::path(post, path = "/api/auth/email-change/undo", tag = "e-mail", operation_id = "undoEmailChange", request_body = Body,
    responses(
        (status = 204, description = "The old address is in force again"),
        (status = 400, description = "`malformed-body`, `token-invalid`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 413, description = "`body-too-large`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported-media-type`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "`validation-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        Throttled, TryLater,
    ))]
pub(in crate::http) async fn undo(
    accounts: web::Data<Accounts>,
    context: RequestContext,
    JsonBody(body): JsonBody<Body>,
) -> Result<HttpResponse, Problem> {
    usecase::undo_email_change(&accounts.into_inner(), body.token.expose_secret(), context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}
