//! `/api/users/me/email` and `/api/auth/email-change`: request, confirm and undo a change of the email address.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    link_token_body::EmailChangeTokenBody,
    responses::{ApiResult, accepted, no_content},
};
use crate::{
    http::extractors::{
        json_body::JsonBody,
        requests::{ClientRequest, UserRequest},
    },
    usecase::{self, ChangeEmail},
};

/// The new email address, and the password of the account. The password may be missing if the session is recently
/// authenticated.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = EmailChange)]
pub(crate) struct EmailChangeBody {
    #[schema(example = "ada@example.net")]
    new_email: String,
    #[schema(nullable = false, value_type = Option<String>)]
    password: Option<SecretString>,
}

/// Requests a change of the email address.
///
/// The change takes effect when it is confirmed with the link that is mailed to the new address. The current address is
/// notified. The response does not reveal whether another account has the new address; that is checked at the
/// confirmation. Another spelling of the current address, for example in letter case, takes effect immediately and
/// without a mail.
#[utoipa::path(put, path = "/api/users/me/email", tag = "account", operation_id = "changeEmail", security(("bearer" = [])),
    request_body = EmailChangeBody,
    responses((status = 202, description = "A link is mailed to the new address and a notice to the current one; or the new spelling of the current address is saved")),
    extensions(("x-problems" = json!(["wrong-password", "reauthentication-required", "conflict: the account already has ten earlier addresses", "rate-limited"]))))]
pub(in crate::http) async fn change_email(
    request: UserRequest,
    JsonBody(body): JsonBody<EmailChangeBody>,
) -> ApiResult {
    let change = ChangeEmail { new_email: body.new_email, password: body.password };
    usecase::change_email(&request.accounts, request.caller, change, request.origin).await.map(accepted)
}

/// Confirms a change of the email address.
///
/// The account has the new address from then on. The old address stays reserved for some days, and gets a link to undo
/// the change.
#[utoipa::path(post, path = "/api/auth/email-change/confirm", tag = "e-mail", operation_id = "confirmEmailChange", request_body = EmailChangeTokenBody,
    responses((status = 204, description = "Changed")),
    extensions(("x-problems" = json!(["token-invalid", "email-taken", "rate-limited"]))))]
pub(in crate::http) async fn confirm_email_change(
    request: ClientRequest,
    JsonBody(body): JsonBody<EmailChangeTokenBody>,
) -> ApiResult {
    usecase::confirm_email_change(&request.accounts, body.token.expose_secret(), request.origin).await.map(no_content)
}

/// Undoes a change of the email address, and all later changes of it.
///
/// All sessions end. The account has the old address again, and a link to choose a new password is mailed to it.
#[utoipa::path(post, path = "/api/auth/email-change/undo", tag = "e-mail", operation_id = "undoEmailChange", request_body = EmailChangeTokenBody,
    responses((status = 204, description = "The account has the old address again")),
    extensions(("x-problems" = json!(["token-invalid", "rate-limited"]))))]
pub(in crate::http) async fn undo_email_change(
    request: ClientRequest,
    JsonBody(body): JsonBody<EmailChangeTokenBody>,
) -> ApiResult {
    usecase::undo_email_change(&request.accounts, body.token.expose_secret(), request.origin).await.map(no_content)
}
