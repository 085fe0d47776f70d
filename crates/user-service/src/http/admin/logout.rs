//! `POST /api/admin/users/{id}/logout`: all sessions of the account end.

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

/// Ends all sessions of the account, access tokens of this service included.
#[utoipa::path(post, path = "/api/admin/users/{id}/logout", tag = "administration", operation_id = "logoutUser", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The account's id")),
    responses(
        (status = 204, description = "All sessions are over"),
        NotSignedIn, Forbidden, NoSuchUser, TryLater,
    ))]
pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    admin: SignedInAdmin,
    id: PathId,
    context: RequestContext,
) -> Result<HttpResponse, Problem> {
    usecase::end_sessions(&accounts.into_inner(), id.uuid()?, context.origin().by_admin(admin.id)).await?;
    Ok(HttpResponse::NoContent().finish())
}
