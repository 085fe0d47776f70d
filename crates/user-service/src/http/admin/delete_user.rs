//! `DELETE /api/admin/users/{id}`: the end of somebody's account.

use actix_web::{HttpResponse, web};

use crate::{
    http::{
        conditional::IfMatch,
        path_id::PathId,
        problem::{Problem, ProblemDetails},
        refusals::{Forbidden, LastAdmin, NoSuchUser, NotSignedIn, TryLater},
        request_context::RequestContext,
        signed_in_admin::SignedInAdmin,
    },
    usecase::{self, Accounts},
};

/// Deletes the account; the person gets a goodbye mail. It cannot be undone.
#[utoipa::path(delete, path = "/api/admin/users/{id}", tag = "administration", operation_id = "deleteUser", security(("bearer" = [])),
    params(
        ("id" = uuid::Uuid, Path, description = "The account's id"),
        ("If-Match" = Option<String>, Header, description = "The ETag that it was decided on"),
    ),
    responses(
        (status = 204, description = "Deleted"),
        (status = 412, description = "`precondition-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "`validation-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        NotSignedIn, Forbidden, NoSuchUser, LastAdmin, TryLater,
    ))]
pub(in crate::http) async fn delete(
    accounts: web::Data<Accounts>,
    admin: SignedInAdmin,
    id: PathId,
    if_match: IfMatch,
    context: RequestContext,
) -> Result<HttpResponse, Problem> {
    let permits = move |version| if_match.allows(version);
    usecase::delete_user(&accounts.into_inner(), id.uuid()?, permits, context.origin().by_admin(admin.id)).await?;
    Ok(HttpResponse::NoContent().finish())
}
