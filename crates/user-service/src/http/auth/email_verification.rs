//! `POST /api/auth/email-verification`, `…/resend` and `…/disown`.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    domain::Email,
    http::{
        json_body::JsonBody,
        problem::{Problem, ProblemDetails},
        refusals::{BodyRefused, Throttled, TryLater},
        request_context::RequestContext,
        validation::Validation,
    },
    usecase::{self, Accounts, RequestedMail},
};

/// The token from the mail.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = EmailVerification)]
pub(crate) struct TokenBody {
    #[schema(value_type = String)]
    token: SecretString,
}

/// The address that a mail is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = EmailVerificationResend)]
pub(crate) struct EmailBody {
    #[schema(example = "ada@example.org")]
    email: String,
}

/// Verifies the address that the token was mailed to. A token works once.
#[utoipa::path(post, path = "/api/auth/email-verification", tag = "e-mail", operation_id = "verifyEmail", request_body = TokenBody,
    responses(
        (status = 204, description = "Verified"),
        (status = 400, description = "`malformed-body`, `token-invalid`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 413, description = "`body-too-large`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported-media-type`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "`validation-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        Throttled, TryLater,
    ))]
pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    context: RequestContext,
    JsonBody(body): JsonBody<TokenBody>,
) -> Result<HttpResponse, Problem> {
    usecase::verify_email(&accounts.into_inner(), body.token.expose_secret(), context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Asks for another verification mail. The answer does not tell whether there is such
/// an account.
#[utoipa::path(post, path = "/api/auth/email-verification/resend", tag = "e-mail", operation_id = "resendEmailVerification", request_body = EmailBody,
    responses(
        (status = 202, description = "A mail is sent if there is an account with this address that is not verified"),
        BodyRefused, Throttled, TryLater,
    ))]
pub(in crate::http) async fn resend(
    accounts: web::Data<Accounts>,
    context: RequestContext,
    JsonBody(body): JsonBody<EmailBody>,
) -> Result<HttpResponse, Problem> {
    let mut found = Validation::default();
    let email = found.check("email", Email::parse(&body.email)).ok_or_else(|| found.problem())?;
    usecase::request_mail(&accounts, RequestedMail::Verification, &email, context.origin()).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// Says, with the token of a verification mail, that the account is not the mailbox owner's. Its password becomes
/// unusable, its second factor is removed, and all sessions and links end; the address stays unverified. A password
/// reset takes the account over. A token works once.
#[utoipa::path(post, path = "/api/auth/email-verification/disown", tag = "e-mail", operation_id = "disownAccount", request_body = TokenBody,
    responses(
        (status = 204, description = "Disowned"),
        (status = 400, description = "`malformed-body`, `token-invalid`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 413, description = "`body-too-large`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported-media-type`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "`validation-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        Throttled, TryLater,
    ))]
pub(in crate::http) async fn disown(
    accounts: web::Data<Accounts>,
    context: RequestContext,
    JsonBody(body): JsonBody<TokenBody>,
) -> Result<HttpResponse, Problem> {
    usecase::disown_account(&accounts.into_inner(), body.token.expose_secret(), context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}
