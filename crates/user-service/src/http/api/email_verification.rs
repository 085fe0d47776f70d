//! `/api/auth/email-verification`: verify an email address, request a new link, or disown the account.

use secrecy::ExposeSecret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    link_token_body::VerificationTokenBody,
    responses::{ApiResult, accepted, no_content},
};
use crate::{
    http::extractors::{json_body::JsonBody, requests::ClientRequest},
    usecase::{self, RequestedMail},
};

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
    request: ClientRequest,
    JsonBody(body): JsonBody<VerificationTokenBody>,
) -> ApiResult {
    usecase::verify_email(&request.accounts, body.token.expose_secret(), request.origin).await.map(no_content)
}

/// Requests a new verification mail.
///
/// The response does not reveal whether there is such an account.
#[utoipa::path(post, path = "/api/auth/email-verification/resend", tag = "e-mail", operation_id = "resendEmailVerification", request_body = ResendVerificationBody,
    responses((status = 202, description = "A mail is sent if an account has this email address and it is not verified")),
    extensions(("x-problems" = json!(["rate-limited"]))))]
pub(in crate::http) async fn resend_verification(
    request: ClientRequest,
    JsonBody(body): JsonBody<ResendVerificationBody>,
) -> ApiResult {
    usecase::request_mail(&request.accounts, RequestedMail::Verification, &body.email, request.origin)
        .await
        .map(accepted)
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
    request: ClientRequest,
    JsonBody(body): JsonBody<VerificationTokenBody>,
) -> ApiResult {
    usecase::disown_account(&request.accounts, body.token.expose_secret(), request.origin).await.map(no_content)
}
