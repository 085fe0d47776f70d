//! `/api/admin/users/{id}/{disable,enable,logout,unlock,remove-second-factor}`: actions of an administrator on an account.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    http::{
        extractors::{json_body::JsonBody, parameters::PathId, signed_in::SignedInAdmin},
        middleware::request_context::RequestContext,
    },
    outbox::Origin,
    problem::Problem,
    usecase::{self, AccountService},
};

/// What an action without a body needs. Its parts are extracted in this order.
type AdminAction = (web::Data<AccountService>, SignedInAdmin, PathId, RequestContext);

/// Runs the use case of the action.
async fn run<T>(
    (accounts, admin, id, context): AdminAction,
    use_case: impl AsyncFnOnce(&Arc<AccountService>, Uuid, Origin) -> Result<T, Problem>,
) -> Result<HttpResponse, Problem> {
    use_case(&accounts.into_inner(), id.uuid()?, context.origin().by_admin(admin.id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Disables the account: ends all its sessions, and refuses logins until it is enabled again.
///
/// Does nothing if the account is already disabled.
#[utoipa::path(post, path = "/api/admin/users/{id}/disable", tag = "administration", operation_id = "disableUser", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The account's id")),
    responses((status = 204, description = "Disabled")),
    extensions(("x-problems" = json!(["conflict: this is the last administrator"]))))]
pub(in crate::http) async fn disable(action: AdminAction) -> Result<HttpResponse, Problem> {
    run(action, usecase::disable_user).await
}

/// Enables the account: accepts logins again.
///
/// Does nothing if the account is active.
#[utoipa::path(post, path = "/api/admin/users/{id}/enable", tag = "administration", operation_id = "enableUser", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The account's id")),
    responses((status = 204, description = "Enabled")))]
pub(in crate::http) async fn enable(action: AdminAction) -> Result<HttpResponse, Problem> {
    run(action, usecase::enable_user).await
}

/// Ends all sessions of the account. This service no longer accepts their access tokens.
#[utoipa::path(post, path = "/api/admin/users/{id}/logout", tag = "administration", operation_id = "logoutUser", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The account's id")),
    responses((status = 204, description = "All sessions have ended")))]
pub(in crate::http) async fn logout(action: AdminAction) -> Result<HttpResponse, Problem> {
    run(action, usecase::end_sessions).await
}

/// Resets the failed attempts that are counted for the account, from all networks.
///
/// Does nothing if there are none.
#[utoipa::path(post, path = "/api/admin/users/{id}/unlock", tag = "administration", operation_id = "unlockUser", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The account's id")),
    responses((status = 204, description = "The failed attempts are reset")))]
pub(in crate::http) async fn unlock(action: AdminAction) -> Result<HttpResponse, Problem> {
    run(action, usecase::unlock).await
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
    params(("id" = Uuid, Path, description = "The account's id")),
    responses((status = 204, description = "Removed")),
    extensions(("x-problems" = json!(["conflict: the account has no second factor, or is that of the caller"]))))]
pub(in crate::http) async fn remove_second_factor(
    accounts: web::Data<AccountService>,
    admin: SignedInAdmin,
    id: PathId,
    context: RequestContext,
    JsonBody(body): JsonBody<SecondFactorRemovalBody>,
) -> Result<HttpResponse, Problem> {
    let accounts = accounts.into_inner();
    usecase::remove_second_factor(&accounts, id.uuid()?, admin.id, &body.reason, context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}
