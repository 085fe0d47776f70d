//! `GET /api/admin/users`: accounts by page.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{SearchText, UserPlace, UserSearch, UserStatus},
    http::{
        paging::{PageRequest, cursor, next_link},
        problem::{FieldError, Problem, ProblemDetails},
        query::Query,
        refusals::{Forbidden, NotSignedIn, TryLater},
        signed_in_admin::SignedInAdmin,
        users::UserBody,
    },
    usecase::{self, Accounts},
};

const PATH: &str = "/api/admin/users";
const PARAMETERS: [&str; 4] = ["query", "status", "limit", "cursor"];

/// A page of accounts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserPage)]
pub(crate) struct Body {
    items: Vec<UserBody>,
    /// The `cursor` of the next page; null on the last one.
    next_cursor: Option<String>,
}

/// Accounts by page: the newest first, or those whose address or user name begins with
/// `query`, in the order of that. A page may have fewer accounts than `limit`, and still
/// a next one. Who comes or goes meanwhile moves nobody else.
#[utoipa::path(get, path = "/api/admin/users", tag = "administration", operation_id = "listUsers", security(("bearer" = [])),
    params(
        ("query" = Option<String>, Query, description = "The beginning of an e-mail address or a user name, in any letter case", max_length = 254),
        ("status" = Option<String>, Query, description = "`active` or `disabled`", pattern = "^(active|disabled)$"),
        ("limit" = Option<u32>, Query, description = "1 to 100, default 20", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = Body, headers(("Link" = String, description = "The next page, `rel=\"next\"` (RFC 8288)"))),
        (status = 422, description = "`validation-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        NotSignedIn, Forbidden, TryLater,
    ))]
pub(in crate::http) async fn get(
    accounts: web::Data<Accounts>,
    _admin: SignedInAdmin,
    query: Query,
) -> Result<HttpResponse, Problem> {
    query.only(&PARAMETERS)?;
    let search = search(&query)?;
    let page = PageRequest::<UserPlace>::of(&query)?;
    if page.after.as_ref().is_some_and(|place| !place.fits(&search)) {
        return Err(refused("cursor", "invalid", "Not a `nextCursor` of this list."));
    }
    let found = usecase::find_users(&accounts, &search, page.after.as_ref(), page.limit).await?;
    let next_cursor = found.next.as_ref().map(cursor);
    let mut response = HttpResponse::Ok();
    if let Some(next) = &next_cursor {
        let kept: Vec<_> = PARAMETERS[..3].iter().filter_map(|name| Some((*name, query.get(name)?))).collect();
        response.insert_header(next_link(PATH, &kept, next));
    }
    Ok(response.json(Body { items: found.users.into_iter().map(UserBody::from).collect(), next_cursor }))
}

fn search(query: &Query) -> Result<UserSearch, Problem> {
    let text = SearchText::parse(query.get("query").unwrap_or_default())
        .map_err(|invalid| refused("query", invalid.code, &invalid.detail))?;
    let status = match query.get("status") {
        None => None,
        Some("active") => Some(UserStatus::Active),
        Some("disabled") => Some(UserStatus::Disabled),
        Some(_) => return Err(refused("status", "unknown", "Either `active` or `disabled`.")),
    };
    Ok(UserSearch { text, status })
}

fn refused(parameter: &str, code: &'static str, detail: &str) -> Problem {
    Problem::ValidationFailed(vec![FieldError::parameter(parameter, code, detail)])
}
