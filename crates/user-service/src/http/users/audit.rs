//! `GET /api/users/me/audit`: what happened to one's account.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::{
    http::{
        audit_body::{self, AuditPageBody},
        problem::{Problem, ProblemDetails},
        query::Query,
        refusals::{NotSignedIn, TryLater},
        signed_in_caller::SignedInCaller,
    },
    usecase::{self, Accounts},
};

/// The audit log of the account, newest first.
#[utoipa::path(get, path = "/api/users/me/audit", tag = "account", operation_id = "getMyAuditLog", security(("bearer" = [])),
    params(
        ("limit" = Option<u32>, Query, description = "At most so many; 20 by default", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = AuditPageBody, headers(("Link" = String, description = "The next page (RFC 8288)"))),
        (status = 422, description = "`validation-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        NotSignedIn, TryLater,
    ))]
pub(in crate::http) async fn get(
    accounts: web::Data<Accounts>,
    SignedInCaller(caller): SignedInCaller,
    query: Query,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked = audit_body::page_asked_for(&query)?;
    let page = usecase::audit_log(&accounts, &caller.user, asked.limit, asked.after).await?;
    Ok(audit_body::answer(&request, asked.limit, page))
}
