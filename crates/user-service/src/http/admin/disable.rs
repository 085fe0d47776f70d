//! `POST /api/admin/users/{id}/disable`: nobody signs in to the account any more.

use actix_web::{HttpResponse, web};

use crate::{
    http::{
        path_id::PathId,
        problem::Problem,
        refusals::{Forbidden, LastAdmin, NoSuchUser, NotSignedIn, TryLater},
        request_context::RequestContext,
        signed_in_admin::SignedInAdmin,
    },
    usecase::{self, Accounts},
};

/// Ends all sessions of the account and refuses logins, until it is enabled again.
/// Nothing happens to one that is disabled.
#[utoipa::path(post, path = "/api/admin/users/{id}/disable", tag = "administration", operation_id = "disableUser", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The account's id")),
    responses(
        (status = 204, description = "Disabled"),
        NotSignedIn, Forbidden, NoSuchUser, LastAdmin, TryLater,
    ))]
pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    admin: SignedInAdmin,
    id: PathId,
    context: RequestContext,
) -> Result<HttpResponse, Problem> {
    usecase::disable_user(&accounts.into_inner(), id.uuid()?, context.origin().by_admin(admin.id)).await?;
    Ok(HttpResponse::NoContent().finish())
}
