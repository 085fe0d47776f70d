//! `GET /api/admin/users/{id}/audit`: what happened to an account.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::{
    http::{
        audit_body::{self, AuditPageBody},
        path_id::PathId,
        problem::{Problem, ProblemDetails},
        query::Query,
        refusals::{Forbidden, NoSuchUser, NotSignedIn, TryLater},
        signed_in_admin::SignedInAdmin,
    },
    usecase::{self, Accounts},
};

/// The audit log of the account, newest first. That of an administrator also has what
/// they did to others.
#[utoipa::path(get, path = "/api/admin/users/{id}/audit", tag = "administration", operation_id = "getUserAuditLog", security(("bearer" = [])),
    params(
        ("id" = uuid::Uuid, Path, description = "The account's id"),
        ("limit" = Option<u32>, Query, description = "At most so many; 20 by default", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = AuditPageBody, headers(("Link" = String, description = "The next page (RFC 8288)"))),
        (status = 422, description = "`validation-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        NotSignedIn, Forbidden, NoSuchUser, TryLater,
    ))]
pub(in crate::http) async fn get(
    accounts: web::Data<Accounts>,
    _admin: SignedInAdmin,
    id: PathId,
    query: Query,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked = audit_body::page_asked_for(&query)?;
    let page = usecase::audit_log_of(&accounts, id.uuid()?, asked.limit, asked.after).await?;
    Ok(audit_body::answer(&request, asked.limit, page.ok_or(Problem::NotFound)?))
}
