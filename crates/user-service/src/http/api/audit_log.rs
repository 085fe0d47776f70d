//! `/api/users/me/audit` and `/api/admin/users/{id}/audit`: read the audit log of an account in pages.

use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::responses::ApiResult;
use crate::{
    domain::{Cursor, Page},
    http::extractors::{
        paging::{PageParameters, PageRequest, page_response},
        parameters::{PathId, Query},
        requests::{AdminRequest, UserRequest},
    },
    outbox::Actor,
    problem::Problem,
    usecase::{self, AuditLogEntry},
};

/// An entry of an audit log: an action on an account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
pub(crate) struct AuditEntryBody {
    id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The type of the event, or the name of an action that has no event, such as `login_failed`.
    #[serde(rename = "type")]
    kind: String,
    /// The actor: `self`, `admin`, `client`, `operator` or `system`.
    actor: &'static str,
    /// The id of the administrator or of the client, if the actor is one.
    actor_id: Option<Uuid>,
    /// The address that the request came from. For an action of an administrator, it is only in the administrator's own
    /// log; for an action of a client, only administrators see it.
    address: Option<String>,
    /// The user agent, with the same restriction.
    client: Option<String>,
    /// The reason that an administrator or operator gave, for actions that require one.
    reason: Option<String>,
    /// The id of the affected account or client, in the log of the administrator.
    target_id: Option<Uuid>,
}

impl From<AuditLogEntry> for AuditEntryBody {
    fn from(entry: AuditLogEntry) -> Self {
        let (actor, actor_id) = match entry.origin.actor {
            Actor::User => ("self", None),
            Actor::Admin(id) => ("admin", Some(id)),
            Actor::Client(id) => ("client", Some(id.into())),
            Actor::Operator => ("operator", None),
            Actor::System => ("system", None),
        };
        Self {
            id: entry.id,
            at: entry.at,
            kind: entry.kind,
            actor,
            actor_id,
            address: entry.origin.address,
            client: entry.origin.client,
            reason: entry.origin.reason,
            target_id: entry.target,
        }
    }
}

/// A page of an audit log, newest entries first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditPage)]
pub(crate) struct AuditPageBody {
    items: Vec<AuditEntryBody>,
    /// The `cursor` of the next page; null on the last page.
    next_cursor: Option<String>,
}

/// Returns the response with a page of a log.
fn audit_page_response(request: &HttpRequest, limit: u32, page: Page<AuditLogEntry>) -> HttpResponse {
    let items = page.items.into_iter().map(AuditEntryBody::from).collect();
    let kept = [("limit", &*limit.to_string())];
    page_response(request.path(), &kept, page.next.as_ref(), |next_cursor| AuditPageBody { items, next_cursor })
}

/// Returns the audit log of the caller's account, newest entries first.
#[utoipa::path(get, path = "/api/users/me/audit", tag = "account", operation_id = "getMyAuditLog", security(("bearer" = [])),
    params(PageParameters),
    responses((status = 200, description = "A page of the audit log", body = AuditPageBody, headers(("Link" = String, description = "The next page (RFC 8288)")))))]
pub(in crate::http) async fn get_my_audit_log(
    UserRequest { accounts, caller, .. }: UserRequest,
    query: Query,
    request: HttpRequest,
) -> ApiResult {
    let requested = PageRequest::<Cursor>::from_only(&query)?;
    let page = usecase::own_audit_log(&accounts, &caller.user, requested.limit, requested.after).await?;
    Ok(audit_page_response(&request, requested.limit, page))
}

/// Returns the audit log of an account, newest entries first.
///
/// The log of an administrator also has the actions of the administrator on other accounts.
#[utoipa::path(get, path = "/api/admin/users/{id}/audit", tag = "administration", operation_id = "getUserAuditLog", security(("bearer" = [])),
    params(PathId, PageParameters),
    responses((status = 200, description = "A page of the audit log", body = AuditPageBody, headers(("Link" = String, description = "The next page (RFC 8288)")))))]
pub(in crate::http) async fn get_user_audit_log(
    AdminRequest { accounts, .. }: AdminRequest,
    id: PathId,
    query: Query,
    request: HttpRequest,
) -> ApiResult {
    let requested = PageRequest::<Cursor>::from_only(&query)?;
    let page = usecase::find_audit_log(&accounts, id.uuid()?, requested.limit, requested.after).await?;
    Ok(audit_page_response(&request, requested.limit, page.ok_or(Problem::NotFound)?))
}
