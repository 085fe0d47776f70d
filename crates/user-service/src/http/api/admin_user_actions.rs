//! `/api/admin/users/{id}/{disable,enable,logout,unlock,remove-second-factor,resend-invitation}`: actions of an
//! administrator on an account.

use serde::Deserialize;
use utoipa::ToSchema;

use super::responses::{ApiResult, no_content};
use crate::{
    http::extractors::{json_body::JsonBody, parameters::PathId, requests::AdminRequest},
    usecase,
};

/// Disables the account: ends all its sessions, and refuses logins until it is enabled again.
///
/// Does nothing if the account is already disabled.
#[utoipa::path(post, path = "/api/admin/users/{id}/disable", tag = "administration", operation_id = "disableUser", security(("bearer" = [])),
    params(PathId),
    responses((status = 204, description = "Disabled")),
    extensions(("x-problems" = json!(["conflict: this is the last administrator"]))))]
pub(in crate::http) async fn disable(request: AdminRequest, id: PathId) -> ApiResult {
    usecase::disable_user(&request.accounts, id.uuid()?, request.origin).await.map(no_content)
}

/// Enables the account: accepts logins again.
///
/// Does nothing if the account is active.
#[utoipa::path(post, path = "/api/admin/users/{id}/enable", tag = "administration", operation_id = "enableUser", security(("bearer" = [])),
    params(PathId),
    responses((status = 204, description = "Enabled")))]
pub(in crate::http) async fn enable(request: AdminRequest, id: PathId) -> ApiResult {
    usecase::enable_user(&request.accounts, id.uuid()?, request.origin).await.map(no_content)
}

/// Ends all sessions of the account. This service no longer accepts their access tokens.
#[utoipa::path(post, path = "/api/admin/users/{id}/logout", tag = "administration", operation_id = "logoutUser", security(("bearer" = [])),
    params(PathId),
    responses((status = 204, description = "All sessions have ended")))]
pub(in crate::http) async fn logout(request: AdminRequest, id: PathId) -> ApiResult {
    usecase::end_sessions(&request.accounts, id.uuid()?, request.origin).await.map(no_content)
}

/// Resets the failed attempts that are counted for the account, from all networks.
///
/// Does nothing if there are none.
#[utoipa::path(post, path = "/api/admin/users/{id}/unlock", tag = "administration", operation_id = "unlockUser", security(("bearer" = [])),
    params(PathId),
    responses((status = 204, description = "The failed attempts are reset")))]
pub(in crate::http) async fn unlock(request: AdminRequest, id: PathId) -> ApiResult {
    usecase::unlock(&request.accounts, id.uuid()?, request.origin).await.map(no_content)
}

/// Sends the invitation again. The new link replaces the earlier one.
#[utoipa::path(post, path = "/api/admin/users/{id}/resend-invitation", tag = "administration", operation_id = "resendInvitation", security(("bearer" = [])),
    params(PathId),
    responses((status = 204, description = "A mail with a new link is sent")),
    extensions(("x-problems" = json!(["conflict: the account is not invited, the invitation is accepted, or the account is disabled", "rate-limited"]))))]
pub(in crate::http) async fn resend_invitation(request: AdminRequest, id: PathId) -> ApiResult {
    usecase::resend_invitation(&request.accounts, id.uuid()?, request.origin).await.map(no_content)
}

/// The reason for removing the second factor.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SecondFactorRemoval)]
pub(crate) struct SecondFactorRemovalBody {
    /// One line of at most 500 characters. It is recorded in the audit log of the account, which its owner can read, and
    /// in that of the administrator.
    #[schema(example = "lost phone and codes; identity checked by video call, ticket 4711")]
    reason: String,
}

/// Removes the second factor of another account.
///
/// Its recovery codes become void, and all sessions of the account end. The owner is notified by mail.
#[utoipa::path(post, path = "/api/admin/users/{id}/remove-second-factor", tag = "administration", operation_id = "removeSecondFactor",
    security(("bearer" = [])), request_body = SecondFactorRemovalBody,
    params(PathId),
    responses((status = 204, description = "Removed")),
    extensions(("x-problems" = json!(["conflict: the account has no second factor, or is that of the caller"]))))]
pub(in crate::http) async fn remove_second_factor(
    request: AdminRequest,
    id: PathId,
    JsonBody(body): JsonBody<SecondFactorRemovalBody>,
) -> ApiResult {
    let AdminRequest { accounts, admin, origin } = request;
    usecase::remove_second_factor(&accounts, id.uuid()?, admin, &body.reason, origin).await.map(no_content)
}
