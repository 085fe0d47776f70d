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
        refusals::{BodyRefused, FloodRefused, TryLater},
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
        (status = 401, description = "`unauthorized`", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, FloodRefused, TryLater,
    ))]
pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    context: RequestContext,
    JsonBody(body): JsonBody<Body>,
) -> Result<HttpResponse, Problem> {
    Ok(usecase::refresh(&accounts.into_inner(), &body.refresh_token, context.origin()).await?.into())
}
