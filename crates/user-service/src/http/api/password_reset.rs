//! `/api/auth/password-reset`: request a reset link, and set a new password with it.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::responses::{ApiResult, accepted, no_content};
use crate::{
    http::extractors::{json_body::JsonBody, requests::ClientRequest},
    usecase::{self, RequestedMail},
};

/// The email address of the account whose password is forgotten.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = PasswordReset)]
pub(crate) struct PasswordResetBody {
    #[schema(example = "ada@example.org")]
    email: String,
}

/// The token from the link in the mail, and the new password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = PasswordResetConfirmation)]
pub(crate) struct PasswordResetConfirmationBody {
    #[schema(value_type = String)]
    token: SecretString,
    /// At least 8 characters (or as configured), at most 256 characters and 1024 bytes. Common, breached and personal
    /// passwords are refused.
    #[schema(value_type = String)]
    new_password: SecretString,
}

/// Requests a mail with a link to choose a new password.
///
/// The response does not reveal whether there is such an account.
#[utoipa::path(post, path = "/api/auth/password-reset", tag = "password", operation_id = "requestPasswordReset", request_body = PasswordResetBody,
    responses((status = 202, description = "A mail is sent if an account has this email address")),
    extensions(("x-problems" = json!(["rate-limited"]))))]
pub(in crate::http) async fn request_password_reset(
    request: ClientRequest,
    JsonBody(body): JsonBody<PasswordResetBody>,
) -> ApiResult {
    usecase::request_mail(&request.accounts, RequestedMail::Reset, &body.email, request.origin).await.map(accepted)
}

/// Sets a new password.
///
/// All sessions end. All other mailed links become invalid, except those that undo a change of the email address. The
/// email address counts as verified. If the password is refused, the token can be used again.
#[utoipa::path(post, path = "/api/auth/password-reset/confirm", tag = "password", operation_id = "confirmPasswordReset", request_body = PasswordResetConfirmationBody,
    responses((status = 204, description = "Changed")),
    extensions(("x-problems" = json!(["token-invalid", "rate-limited"]))))]
pub(in crate::http) async fn confirm_password_reset(
    request: ClientRequest,
    JsonBody(body): JsonBody<PasswordResetConfirmationBody>,
) -> ApiResult {
    let token = body.token.expose_secret();
    usecase::reset_password(&request.accounts, token, &body.new_password, request.origin).await.map(no_content)
}
