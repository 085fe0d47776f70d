//! `POST /api/auth/reauthenticate`: verifies the password and the second factor of a signed-in user again.

use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::responses::{ApiResult, no_content};
use crate::{
    http::extractors::{json_body::JsonBody, requests::UserRequest},
    usecase,
};

/// The password, and a code of the second factor if it is on.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Reauthentication)]
pub(crate) struct ReauthenticationBody {
    #[schema(value_type = String)]
    password: SecretString,
    /// A code of the authenticator, or a recovery code. Required exactly if the second factor is on. Spaces, dashes and
    /// letter case do not matter.
    #[schema(nullable = false, value_type = Option<String>, example = "123 456")]
    code: Option<SecretString>,
}

/// Makes the session recently authenticated.
///
/// For the next ten minutes, the session may change the email address, the password and the second factor, and export
/// and delete the account. The tokens stay the same.
#[utoipa::path(post, path = "/api/auth/reauthenticate", tag = "session", operation_id = "reauthenticate",
    security(("bearer" = [])), request_body = ReauthenticationBody,
    responses((status = 204, description = "The session is recently authenticated")),
    extensions(("x-problems" = json!(["wrong-password", "wrong-code", "reauthentication-required: the second factor is on, and `code` is missing", "conflict: there is a `code`, but the second factor is not on", "rate-limited"]))))]
pub(in crate::http) async fn reauthenticate(
    request: UserRequest,
    JsonBody(body): JsonBody<ReauthenticationBody>,
) -> ApiResult {
    usecase::reauthenticate(&request.accounts, &request.caller, &body.password, body.code, request.origin)
        .await
        .map(no_content)
}
