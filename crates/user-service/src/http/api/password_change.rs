//! `PUT /api/users/me/password`: changes the password of the caller.

use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::responses::{ApiResult, no_content};
use crate::{
    http::extractors::{conditional::IfMatch, json_body::JsonBody, requests::UserRequest},
    usecase::{self, ChangePassword},
};

/// The current password and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = PasswordChange)]
pub(crate) struct PasswordChangeBody {
    #[schema(value_type = String)]
    current_password: SecretString,
    /// At least 8 characters (or as configured), at most 256 characters and 1024 bytes. Common, breached and personal
    /// passwords are refused.
    #[schema(value_type = String)]
    new_password: SecretString,
}

/// Changes the password of the caller. All other sessions end.
///
/// If the second factor is on, the session must have given it within the last ten minutes.
#[utoipa::path(put, path = "/api/users/me/password", tag = "account", operation_id = "changePassword", security(("bearer" = [])),
    request_body = PasswordChangeBody,
    params(IfMatch),
    responses((status = 204, description = "Changed")),
    extensions(("x-problems" = json!(["wrong-password", "reauthentication-required: only if the second factor is on", "rate-limited"]))))]
pub(in crate::http) async fn change_password(
    request: UserRequest,
    if_match: IfMatch,
    JsonBody(body): JsonBody<PasswordChangeBody>,
) -> ApiResult {
    let change = ChangePassword { current: body.current_password, new: body.new_password };
    usecase::change_password(&request.accounts, request.caller, change, if_match.into(), request.origin)
        .await
        .map(no_content)
}
