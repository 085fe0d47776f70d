//! `/api/auth/email-verification`: verify an email address, request a new link, or disown the account.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    http::{extractors::json_body::JsonBody, middleware::request_context::RequestContext},
    problem::Problem,
    usecase::{self, AccountService, RequestedMail},
};

/// The token from the link in the mail.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = EmailVerification)]
pub(crate) struct VerificationTokenBody {
    #[schema(value_type = String)]
    token: SecretString,
}

/// The email address to which a new link is mailed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = EmailVerificationResend)]
pub(crate) struct ResendVerificationBody {
    #[schema(example = "ada@example.org")]
    email: String,
}

/// Verifies the email address to which the token was mailed.
///
/// A token works once.
#[utoipa::path(post, path = "/api/auth/email-verification", tag = "e-mail", operation_id = "verifyEmail", request_body = VerificationTokenBody,
    responses((status = 204, description = "Verified")),
    extensions(("x-problems" = json!(["token-invalid", "rate-limited"]))))]
pub(in crate::http) async fn verify_email(
    accounts: web::Data<AccountService>,
    context: RequestContext,
    JsonBody(body): JsonBody<VerificationTokenBody>,
) -> Result<HttpResponse, Problem> {
    usecase::verify_email(&accounts.into_inner(), body.token.expose_secret(), context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Requests a new verification mail.
///
/// The response does not reveal whether there is such an account.
#[utoipa::path(post, path = "/api/auth/email-verification/resend", tag = "e-mail", operation_id = "resendEmailVerification", request_body = ResendVerificationBody,
    responses((status = 202, description = "A mail is sent if an account has this email address and it is not verified")),
    extensions(("x-problems" = json!(["rate-limited"]))))]
pub(in crate::http) async fn resend_verification(
    accounts: web::Data<AccountService>,
    context: RequestContext,
    JsonBody(body): JsonBody<ResendVerificationBody>,
) -> Result<HttpResponse, Problem> {
    usecase::request_mail(&accounts, RequestedMail::Verification, &body.email, context.origin()).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// Disowns an account: reports, with the token of a verification mail, that the owner of the mailbox did not create it.
///
/// The password of the account becomes unusable, its second factor is removed, and all its sessions and mailed links
/// end. The email address stays unverified. With a password reset, the owner of the mailbox gets the account. A token
/// works once.
#[utoipa::path(post, path = "/api/auth/email-verification/disown", tag = "e-mail", operation_id = "disownAccount", request_body = VerificationTokenBody,
    responses((status = 204, description = "Disowned")),
    extensions(("x-problems" = json!(["token-invalid", "rate-limited"]))))]
pub(in crate::http) async fn disown_account(
    accounts: web::Data<AccountService>,
    context: RequestContext,
    JsonBody(body): JsonBody<VerificationTokenBody>,
) -> Result<HttpResponse, Problem> {
    usecase::disown_account(&accounts.into_inner(), body.token.expose_secret(), context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}
