//! `POST /api/auth/login`.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::SignedInBody;
use crate::{
    domain::{LoginIdentifier, Password},
    http::{
        json_body::JsonBody,
        problem::{Problem, ProblemDetails},
        refusals::{BodyRefused, Throttled, TryLater},
        request_context::RequestContext,
        validation::Validation,
    },
    usecase::{self, Accounts, Login},
};

/// Who somebody says to be, and the proof.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Login)]
pub(crate) struct Body {
    /// The e-mail address or the user name.
    #[schema(example = "ada@example.org")]
    identifier: String,
    #[schema(value_type = String, example = "correct horse battery")]
    password: SecretString,
}

/// Begins a session.
#[utoipa::path(post, path = "/api/auth/login", tag = "session", operation_id = "login", request_body = Body,
    responses(
        (status = 200, description = "Tokens and the account", body = SignedInBody),
        (status = 401, description = "`invalid-credentials`; `mfa-required` with `mfaToken` for `/api/auth/login/totp`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 403, description = "`account-disabled`, `email-not-verified`", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, Throttled, TryLater,
    ))]
pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    context: RequestContext,
    JsonBody(body): JsonBody<Body>,
) -> Result<HttpResponse, Problem> {
    let mut found = Validation::default();
    let password = found.check("password", Password::parse_attempt(body.password.expose_secret().to_owned()));
    let password = password.ok_or_else(|| found.problem())?;
    let login = Login { identifier: LoginIdentifier::parse(&body.identifier), password };
    Ok(usecase::login(&accounts.into_inner(), login, context.origin()).await?.into())
}
