//! `POST /api/admin/users/{id}/unlock`: nobody is kept from trying any more.

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

/// Forgets the failed attempts that are held against the account, from wherever they came.
/// Nothing happens where there are none.
#[utoipa::path(post, path = "/api/admin/users/{id}/unlock", tag = "administration", operation_id = "unlockUser", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The account's id")),
    responses(
        (status = 204, description = "Nothing is held against the account"),
        NotSignedIn, Forbidden, NoSuchUser, TryLater,
    ))]
pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    admin: SignedInAdmin,
    id: PathId,
    context: RequestContext,
) -> Result<HttpResponse, Problem> {
    usecase::unlock(&accounts.into_inner(), id.uuid()?, context.origin().by_admin(admin.id)).await?;
    Ok(HttpResponse::NoContent().finish())
}
