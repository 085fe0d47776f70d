//! A page of an audit log on the wire: one's own, and that of an account that an admin
//! looks at.

use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    paging::{cursor, next_link},
    problem::Problem,
    query::Query,
};
use crate::{
    domain::Place,
    http::paging::PageRequest,
    outbox::Actor,
    usecase::{AuditLogEntry, AuditPage},
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
pub(super) fn page_asked_for(query: &Query) -> Result<PageRequest<Place>, Problem> {
    query.only(&["limit", "cursor"])?;
    PageRequest::of(query)
}

/// The page as the answer to this request.
pub(super) fn answer(request: &HttpRequest, limit: u32, page: AuditPage) -> HttpResponse {
    let next_cursor = page.next.as_ref().map(cursor);
    let mut answer = HttpResponse::Ok();
    if let Some(next) = &next_cursor {
        answer.insert_header(next_link(request.path(), &[("limit", &limit.to_string())], next));
    }
    answer.json(AuditPageBody { items: page.items.into_iter().map(AuditEntryBody::from).collect(), next_cursor })
}
