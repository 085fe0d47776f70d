//! `POST /api/users/me/totp/confirm`: the second factor is on.

use actix_web::{HttpResponse, web};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::RecoveryCodesBody;
use crate::{
    http::{
        json_body::JsonBody,
        problem::{Problem, ProblemDetails},
        refusals::{BodyRefused, NotSignedIn, Throttled, TryLater},
        request_context::RequestContext,
        signed_in_caller::SignedInCaller,
    },
    usecase::{self, Accounts},
};

/// The proof that the authenticator has the secret.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = TotpConfirmation)]
pub(crate) struct Body {
    /// Of the authenticator; spaces do not matter.
    #[schema(value_type = String, example = "123 456")]
    code: SecretString,
}

/// Turns the second factor on. The recovery codes are shown this once.
#[utoipa::path(post, path = "/api/users/me/totp/confirm", tag = "second factor", operation_id = "confirmTotp",
    security(("bearer" = [])), request_body = Body,
    responses(
        (status = 200, description = "It is on; these get the person in without the authenticator", body = RecoveryCodesBody),
        (status = 403, description = "`wrong-code`, `email-not-verified`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: not started, expired, or on already", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, Throttled, TryLater,
    ))]
pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    SignedInCaller(caller): SignedInCaller,
    context: RequestContext,
    JsonBody(body): JsonBody<Body>,
) -> Result<HttpResponse, Problem> {
    let codes = usecase::confirm_totp(&accounts.into_inner(), caller, body.code, context.origin()).await?;
    Ok(RecoveryCodesBody::answer(&codes))
}
