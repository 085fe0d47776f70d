//! `POST /api/auth/login/totp`: the second half of a login.

use actix_web::{HttpResponse, web};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::SignedInBody;
use crate::{
    http::{
        json_body::JsonBody,
        problem::{Problem, ProblemDetails},
        refusals::{Throttled, TryLater},
        request_context::RequestContext,
    },
    usecase::{self, Accounts},
};

/// What stands for the password, and the second factor.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SecondFactor)]
pub(crate) struct Body {
    /// Of the answer `mfa-required`: good for one login within five minutes.
    #[schema(value_type = String)]
    mfa_token: SecretString,
    /// Of the authenticator, or a recovery code; spaces, dashes and case do not matter.
    #[schema(value_type = String, example = "123 456")]
    code: SecretString,
}

/// Begins a session with the second factor, after the password.
#[utoipa::path(post, path = "/api/auth/login/totp", tag = "session", operation_id = "loginTotp", request_body = Body,
    responses(
        (status = 200, description = "Tokens and the account", body = SignedInBody),
        (status = 400, description = "`malformed-body`; `token-invalid`: unknown, used or expired, log in again", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 401, description = "`invalid-credentials`: the code is wrong or was used", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 413, description = "`body-too-large`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported-media-type`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "`validation-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        Throttled, TryLater,
    ))]
pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    context: RequestContext,
    JsonBody(body): JsonBody<Body>,
) -> Result<HttpResponse, Problem> {
    let accounts = accounts.into_inner();
    Ok(usecase::login_totp(&accounts, body.mfa_token, body.code, context.origin()).await?.into())
}
