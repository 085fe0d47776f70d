//! `POST /api/auth/refresh`.

use actix_web::{HttpResponse, web};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::SignedInBody;
use crate::{
    http::{
        json_body::JsonBody,
        problem::{Problem, ProblemDetails},
        request_context::RequestContext,
    },
    usecase::{self, Accounts},
};

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Refresh)]
pub(crate) struct Body {
    #[schema(value_type = String)]
    pub(super) refresh_token: SecretString,
}

/// The next tokens of a session. An old refresh token ends its session.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "session", operation_id = "refresh", request_body = Body,
    responses(
        (status = 200, description = "Tokens and the account", body = SignedInBody),
        (status = 400, description = "`malformed-body`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemDetails, content_type = "application/problem+json"),
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
    Ok(usecase::refresh(&accounts.into_inner(), &body.refresh_token, context.origin()).await?.into())
}
