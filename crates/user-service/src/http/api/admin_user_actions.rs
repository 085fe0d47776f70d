//! `/api/admin/users/{id}/{disable,enable,logout,unlock,remove-second-factor}`: what an administrator does to an account.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    domain::AdminReason,
    http::{
        errors::{
            field_errors::Validation,
            openapi_responses::{BodyRefused, Forbidden, LastAdmin, NoSuchUser, NotSignedIn, TryLater},
            problem::{Problem, ProblemDetails},
        },
        extractors::{json_body::JsonBody, parameters::PathId, signed_in::SignedInAdmin},
        middleware::request_context::RequestContext,
    },
    usecase::{self, AccountService},
};

/// Ends all sessions of the account and refuses logins, until it is enabled again.
/// Nothing happens to one that is disabled.
#[utoipa::path(post, path = "/api/admin/users/{id}/disable", tag = "administration", operation_id = "disableUser", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The account's id")),
    responses(
        (status = 204, description = "Disabled"),
        NotSignedIn, Forbidden, NoSuchUser, LastAdmin, TryLater,
    ))]
pub(in crate::http) async fn disable(
    accounts: web::Data<AccountService>,
    admin: SignedInAdmin,
    id: PathId,
    context: RequestContext,
) -> Result<HttpResponse, Problem> {
    usecase::disable_user(&accounts.into_inner(), id.uuid()?, context.origin().by_admin(admin.id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Accepts logins to the account again. Nothing happens to one that is active.
#[utoipa::path(post, path = "/api/admin/users/{id}/enable", tag = "administration", operation_id = "enableUser", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The account's id")),
    responses(
        (status = 204, description = "Enabled"),
        NotSignedIn, Forbidden, NoSuchUser, TryLater,
    ))]
pub(in crate::http) async fn enable(
    accounts: web::Data<AccountService>,
    admin: SignedInAdmin,
    id: PathId,
    context: RequestContext,
) -> Result<HttpResponse, Problem> {
    usecase::enable_user(&accounts.into_inner(), id.uuid()?, context.origin().by_admin(admin.id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends all sessions of the account, access tokens of this service included.
#[utoipa::path(post, path = "/api/admin/users/{id}/logout", tag = "administration", operation_id = "logoutUser", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The account's id")),
    responses(
        (status = 204, description = "All sessions are over"),
        NotSignedIn, Forbidden, NoSuchUser, TryLater,
    ))]
pub(in crate::http) async fn logout(
    accounts: web::Data<AccountService>,
    admin: SignedInAdmin,
    id: PathId,
    context: RequestContext,
) -> Result<HttpResponse, Problem> {
    usecase::end_sessions(&accounts.into_inner(), id.uuid()?, context.origin().by_admin(admin.id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Forgets the failed attempts that are held against the account, from wherever they came.
/// Nothing happens where there are none.
#[utoipa::path(post, path = "/api/admin/users/{id}/unlock", tag = "administration", operation_id = "unlockUser", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The account's id")),
    responses(
        (status = 204, description = "Nothing is held against the account"),
        NotSignedIn, Forbidden, NoSuchUser, TryLater,
    ))]
pub(in crate::http) async fn unlock(
    accounts: web::Data<AccountService>,
    admin: SignedInAdmin,
    id: PathId,
    context: RequestContext,
) -> Result<HttpResponse, Problem> {
    usecase::unlock(&accounts.into_inner(), id.uuid()?, context.origin().by_admin(admin.id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Why the second factor is removed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SecondFactorRemoval)]
pub(crate) struct ReasonBody {
    /// One line of at most 500 characters. It is kept in the audit log of the account, which its owner reads, and in
    /// that of the administrator.
    #[schema(example = "lost phone and codes; identity checked by video call, ticket 4711")]
    reason: String,
}

/// Turns the second factor of another account off, voids its recovery codes, and ends all
/// sessions of the account. The owner gets a notice.
#[utoipa::path(post, path = "/api/admin/users/{id}/remove-second-factor", tag = "administration", operation_id = "removeSecondFactor",
    security(("bearer" = [])), request_body = ReasonBody,
    params(("id" = uuid::Uuid, Path, description = "The account's id")),
    responses(
        (status = 204, description = "Off"),
        (status = 409, description = "`conflict`: the account has no second factor, or is one's own", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, Forbidden, NoSuchUser, TryLater,
    ))]
pub(in crate::http) async fn remove_second_factor(
    accounts: web::Data<AccountService>,
    admin: SignedInAdmin,
    id: PathId,
    context: RequestContext,
    JsonBody(body): JsonBody<ReasonBody>,
) -> Result<HttpResponse, Problem> {
    let mut found = Validation::default();
    let Some(reason) = found.check("reason", AdminReason::parse(&body.reason)) else { return Err(found.problem()) };
    let accounts = accounts.into_inner();
    usecase::remove_second_factor(&accounts, id.uuid()?, admin.id, &reason, context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}
