//! `/api/users/me`: reads, changes and deletes the account of the caller.

use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    profile_patch_body::ProfilePatchBody,
    responses::{ApiResult, no_content},
    user_body::{UserBody, user_response},
};
use crate::{
    http::extractors::{
        conditional::{IfMatch, IfNoneMatch},
        json_body::{JsonBody, MergePatchBody},
        requests::UserRequest,
    },
    usecase,
};

/// Returns the account of the caller.
#[utoipa::path(get, path = "/api/users/me", tag = "account", operation_id = "getMe", security(("bearer" = [])),
    params(IfNoneMatch),
    responses(
        (status = 200, description = "The account", body = UserBody, headers(("ETag" = String))),
        (status = 304, description = "Not modified"),
    ))]
pub(in crate::http) async fn get_me(request: UserRequest, if_none_match: IfNoneMatch) -> ApiResult {
    let user = request.caller.user.user();
    Ok(if_none_match.respond(user.version, UserBody::from(user)))
}

/// Changes the profile of the caller.
#[utoipa::path(patch, path = "/api/users/me", tag = "account", operation_id = "updateMe", security(("bearer" = [])),
    request_body(content((ProfilePatchBody = "application/merge-patch+json"), (ProfilePatchBody = "application/json"))),
    params(IfMatch),
    responses((status = 200, description = "The changed account", body = UserBody, headers(("ETag" = String)))),
    extensions(("x-problems" = json!(["username-taken", "rate-limited"]))))]
pub(in crate::http) async fn update_me(
    request: UserRequest,
    if_match: IfMatch,
    MergePatchBody(body): MergePatchBody<ProfilePatchBody>,
) -> ApiResult {
    usecase::update_profile(&request.accounts, request.caller, body.into(), if_match.into(), request.origin)
        .await
        .map(user_response)
}

/// The password of the account, to confirm the deletion. It may be missing if the session is recently authenticated.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = AccountDeletion)]
pub(crate) struct AccountDeletionBody {
    #[schema(nullable = false, value_type = Option<String>)]
    password: Option<SecretString>,
}

/// Deletes the account of the caller.
///
/// The deletion cannot be undone. The username and the email address are free immediately.
#[utoipa::path(delete, path = "/api/users/me", tag = "account", operation_id = "deleteMe", security(("bearer" = [])),
    request_body = AccountDeletionBody,
    params(IfMatch),
    responses((status = 204, description = "Deleted")),
    extensions(
        ("x-post-alias" = json!("/api/users/me/delete")),
        ("x-problems" = json!(["wrong-password", "reauthentication-required", "conflict: the account is the last administrator", "rate-limited"])),
    ))]
pub(in crate::http) async fn delete_me(
    request: UserRequest,
    if_match: IfMatch,
    JsonBody(body): JsonBody<AccountDeletionBody>,
) -> ApiResult {
    usecase::delete_account(&request.accounts, request.caller, body.password.as_ref(), if_match.into(), request.origin)
        .await
        .map(no_content)
}
