//! `POST /api/auth/accept-invitation`: accepts an invitation.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::responses::{ApiResult, no_content};
use crate::{
    http::extractors::{json_body::JsonBody, requests::ClientRequest},
    usecase,
};

/// The token from the link in the mail, and what the invited person chooses.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = InvitationAcceptance)]
pub(crate) struct InvitationAcceptanceBody {
    #[schema(value_type = String)]
    token: SecretString,
    /// Required if the invitation has no username, and refused if it has one.
    #[schema(nullable = false, example = "ada")]
    username: Option<String>,
    /// At least 8 characters (or as configured), at most 256 characters and 1024 bytes. Common, breached and personal
    /// passwords are refused.
    #[schema(value_type = String)]
    password: SecretString,
}

/// Accepts an invitation.
///
/// Sets the password, and the username if the invitation has none. The email address counts as verified, and the user
/// can sign in from then on. All other mailed links become invalid. If a value is refused, the token can be used again.
#[utoipa::path(post, path = "/api/auth/accept-invitation", tag = "account", operation_id = "acceptInvitation", request_body = InvitationAcceptanceBody,
    responses((status = 204, description = "Accepted")),
    extensions(("x-problems" = json!(["token-invalid", "username-taken", "rate-limited"]))))]
pub(in crate::http) async fn accept_invitation(
    request: ClientRequest,
    JsonBody(body): JsonBody<InvitationAcceptanceBody>,
) -> ApiResult {
    let InvitationAcceptanceBody { token, username, password } = body;
    let (token, username) = (token.expose_secret(), username.as_deref());
    usecase::accept_invitation(&request.accounts, token, username, &password, request.origin).await.map(no_content)
}
