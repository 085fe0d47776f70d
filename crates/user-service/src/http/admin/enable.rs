//! `POST /api/admin/users/{id}/enable`: the person may sign in again.

use actix_web::{HttpResponse, web};

use crate::{
    http::{
        path_id::PathId,
        problem::Problem,
        refusals::{Forbidden, NoSuchUser, NotSignedIn, TryLater},
        request_context::RequestContext,
        signed_in_admin::SignedInAdmin,
    },
    usecase::{self, Accounts},
};

/// Accepts logins to the account again. Nothing happens to one that is active.
#[utoipa::path(post, path = "/api/admin/users/{id}/enable", tag = "administration", operation_id = "enableUser", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The account's id")),
    responses(
        (status = 204, description = "Enabled"),
        NotSignedIn, Forbidden, NoSuchUser, TryLater,
    ))]
pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    admin: SignedInAdmin,
    id: PathId,
    context: RequestContext,
) -> Result<HttpResponse, Problem> {
    usecase::enable_user(&accounts.into_inner(), id.uuid()?, context.origin().by_admin(admin.id)).await?;
    Ok(HttpResponse::NoContent().finish())
}
