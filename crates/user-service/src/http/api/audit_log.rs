//! `/api/users/me/audit` and `/api/admin/users/{id}/audit`: pages of an audit log.

use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    domain::Cursor,
    http::{
        errors::{
            openapi_responses::{Forbidden, NoSuchUser, NotSignedIn, TryLater},
            problem::{Problem, ProblemDetails},
        },
        extractors::{
            paging::{PageRequest, cursor, next_link},
            parameters::{PathId, Query},
            signed_in::{SignedInAdmin, SignedInCaller},
        },
    },
    outbox::Actor,
    usecase::{self, AccountService, AuditLogEntry, AuditPage},
};

/// Something that happened to an account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
pub(crate) struct AuditEntryBody {
    id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The type of an event, or the name of something that has no event, such as `login_failed`.
    #[serde(rename = "type")]
    kind: String,
    /// Who did it: `self`, `admin`, `operator` or `system`.
    actor: &'static str,
    /// The admin's id.
    actor_id: Option<Uuid>,
    /// Where the request came from; of what an admin did, only in that admin's own log.
    address: Option<String>,
    /// The user agent, with the same exception.
    client: Option<String>,
    /// Why an admin or operator did it, where a reason is asked for.
    reason: Option<String>,
    /// In an admin's own log: whose account it was done to.
    target_id: Option<Uuid>,
}

impl From<AuditLogEntry> for AuditEntryBody {
    fn from(entry: AuditLogEntry) -> Self {
        let (actor, actor_id) = match entry.actor {
            Actor::User => ("self", None),
            Actor::Admin(id) => ("admin", Some(id)),
            Actor::Operator => ("operator", None),
            Actor::System => ("system", None),
        };
        Self {
            id: entry.id,
            at: entry.at,
            kind: entry.kind,
            actor,
            actor_id,
            address: entry.address,
            client: entry.client,
            reason: entry.reason,
            target_id: entry.target,
        }
    }
}

/// Entries, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditPage)]
pub(crate) struct AuditPageBody {
    items: Vec<AuditEntryBody>,
    /// The `cursor` of the next page; null on the last one.
    next_cursor: Option<String>,
}

/// Which page of a log is asked for.
///
/// # Errors
/// `validation-failed` that names the parameter.
pub(in crate::http) fn page_asked_for(query: &Query) -> Result<PageRequest<Cursor>, Problem> {
    query.only(&["limit", "cursor"])?;
    PageRequest::of(query)
}

/// The page as the answer to this request.
pub(in crate::http) fn answer(request: &HttpRequest, limit: u32, page: AuditPage) -> HttpResponse {
    let next_cursor = page.next.as_ref().map(cursor);
    let mut answer = HttpResponse::Ok();
    if let Some(next) = &next_cursor {
        answer.insert_header(next_link(request.path(), &[("limit", &limit.to_string())], next));
    }
    answer.json(AuditPageBody { items: page.items.into_iter().map(AuditEntryBody::from).collect(), next_cursor })
}

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
pub(in crate::http) async fn get_my_audit_log(
    accounts: web::Data<AccountService>,
    SignedInCaller(caller): SignedInCaller,
    query: Query,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked = page_asked_for(&query)?;
    let page = usecase::audit_log(&accounts, &caller.user, asked.limit, asked.after).await?;
    Ok(answer(&request, asked.limit, page))
}

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
pub(in crate::http) async fn get_user_audit_log(
    accounts: web::Data<AccountService>,
    _admin: SignedInAdmin,
    id: PathId,
    query: Query,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked = page_asked_for(&query)?;
    let page = usecase::find_audit_log(&accounts, id.uuid()?, asked.limit, asked.after).await?;
    Ok(answer(&request, asked.limit, page.ok_or(Problem::NotFound)?))
}
