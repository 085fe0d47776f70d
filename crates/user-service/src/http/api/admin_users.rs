//! `/api/admin/users`: lists, reads, changes and deletes accounts.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::user_body::UserBody;
use crate::{
    domain::{SearchText, UserCursor, UserSearch, UserStatus},
    http::{
        extractors::{
            conditional::{IfMatch, IfNoneMatch, etag_header, not_modified},
            json_body::{MergePatchBody, double_option},
            paging::{PageParameters, PageRequest, page_response},
            parameters::{PathId, Query},
            signed_in::SignedInAdmin,
        },
        middleware::request_context::RequestContext,
    },
    problem::{FieldError, Problem},
    usecase::{self, AccountService, ProfilePatch},
};

const PARAMETERS: [&str; 4] = ["query", "status", "limit", "cursor"];

/// A page of accounts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserPage)]
pub(crate) struct UserPageBody {
    items: Vec<UserBody>,
    /// The `cursor` of the next page; null on the last page.
    next_cursor: Option<String>,
}

/// Lists accounts in pages.
///
/// The newest accounts come first. If `query` is given, the list has the accounts whose email address or username begins
/// with it, in the order of that. A page may have fewer accounts than `limit` although there is a next page. Accounts
/// that are created or deleted meanwhile do not shift the pages.
#[utoipa::path(get, path = "/api/admin/users", tag = "administration", operation_id = "listUsers", security(("bearer" = [])),
    params(
        ("query" = Option<String>, Query, description = "The beginning of an email address or username; letter case does not matter", max_length = 254),
        ("status" = Option<String>, Query, description = "`active` or `disabled`", pattern = "^(active|disabled)$"),
        PageParameters,
    ),
    responses((status = 200, description = "A page of accounts", body = UserPageBody, headers(("Link" = String, description = "The next page, `rel=\"next\"` (RFC 8288)")))))]
pub(in crate::http) async fn list_users(
    accounts: web::Data<AccountService>,
    _admin: SignedInAdmin,
    query: Query,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    query.reject_unknown(&PARAMETERS)?;
    let search = search(&query)?;
    let page = PageRequest::<UserCursor>::from_query(&query)?;
    if page.after.as_ref().is_some_and(|cursor| !cursor.fits_search(&search)) {
        return Err(parameter_problem("cursor", "invalid", "This is not a `nextCursor` of this list."));
    }
    let found = usecase::find_users(&accounts, &search, page.after.as_ref(), page.limit).await?;
    let kept: Vec<_> = PARAMETERS[..3].iter().filter_map(|name| Some((*name, query.get(name)?))).collect();
    let items = found.users.into_iter().map(UserBody::from).collect();
    Ok(page_response(request.path(), &kept, found.next.as_ref(), |next_cursor| UserPageBody { items, next_cursor }))
}

fn search(query: &Query) -> Result<UserSearch, Problem> {
    let text = SearchText::parse(query.get("query").unwrap_or_default())
        .map_err(|invalid| parameter_problem("query", invalid.code, &invalid.detail))?;
    let status = match query.get("status") {
        None => None,
        Some("active") => Some(UserStatus::Active),
        Some("disabled") => Some(UserStatus::Disabled),
        Some(_) => return Err(parameter_problem("status", "unknown", "The status is either `active` or `disabled`.")),
    };
    Ok(UserSearch { text, status })
}

fn parameter_problem(parameter: &str, code: &'static str, detail: &str) -> Problem {
    Problem::ValidationFailed(vec![FieldError::parameter(parameter, code, detail)])
}

/// Returns an account.
#[utoipa::path(get, path = "/api/admin/users/{id}", tag = "administration", operation_id = "getUser", security(("bearer" = [])),
    params(
        ("id" = uuid::Uuid, Path, description = "The account's id"),
        ("If-None-Match" = Option<String>, Header, description = "The ETags that the client already has"),
    ),
    responses(
        (status = 200, description = "The account", body = UserBody, headers(("ETag" = String))),
        (status = 304, description = "Not modified"),
    ))]
pub(in crate::http) async fn get_user(
    accounts: web::Data<AccountService>,
    _admin: SignedInAdmin,
    id: PathId,
    if_none_match: IfNoneMatch,
) -> Result<HttpResponse, Problem> {
    let user = usecase::find_user(&accounts, id.uuid()?).await?.ok_or(Problem::NotFound)?;
    if if_none_match.matches(user.version) {
        return Ok(not_modified(user.version));
    }
    Ok(HttpResponse::Ok().insert_header(etag_header(user.version)).json(UserBody::from(user)))
}

/// The name of a role. `admin` is the role of administrators; the meaning of all others is defined by applications.
#[derive(Deserialize, ToSchema)]
#[schema(as = Role, min_length = 1, max_length = 32, pattern = "^[a-z0-9_-]+$")]
pub(crate) struct RoleName(String);

/// The members to change (RFC 7396); null clears a member.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = UserPatch)]
pub(crate) struct UserPatchBody {
    /// The new username; cannot be cleared.
    #[schema(nullable = false)]
    username: Option<String>,
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<String>)]
    display_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<String>)]
    locale: Option<Option<String>>,
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<String>)]
    timezone: Option<Option<String>>,
    /// Merged into the current attributes.
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<Object>)]
    attributes: Option<Option<Map<String, Value>>>,
    /// The new list of all roles of the account.
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<Vec<RoleName>>, max_items = 32)]
    roles: Option<Option<Vec<RoleName>>>,
}

/// Changes the profile and the roles of an account, in one write.
#[utoipa::path(patch, path = "/api/admin/users/{id}", tag = "administration", operation_id = "updateUser", security(("bearer" = [])),
    request_body(content((UserPatchBody = "application/merge-patch+json"), (UserPatchBody = "application/json"))),
    params(
        ("id" = uuid::Uuid, Path, description = "The account's id"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version that the change is based on"),
    ),
    responses((status = 200, description = "The changed account", body = UserBody, headers(("ETag" = String)))),
    extensions(("x-problems" = json!(["username-taken", "conflict: this is the last administrator"]))))]
pub(in crate::http) async fn update_user(
    accounts: web::Data<AccountService>,
    admin: SignedInAdmin,
    id: PathId,
    if_match: IfMatch,
    context: RequestContext,
    MergePatchBody(body): MergePatchBody<UserPatchBody>,
) -> Result<HttpResponse, Problem> {
    let UserPatchBody { username, display_name, locale, timezone, attributes, roles } = body;
    let patch = ProfilePatch { username, display_name, locale, timezone, attributes };
    let roles = roles.map(|roles| roles.unwrap_or_default().into_iter().map(|role| role.0).collect());
    let origin = context.origin().by_admin(admin.id);
    let accounts = accounts.into_inner();
    let user = usecase::edit_user(&accounts, id.uuid()?, patch, roles, if_match.into(), origin).await?;
    Ok(HttpResponse::Ok().insert_header(etag_header(user.version)).json(UserBody::from(user)))
}

/// Deletes an account.
///
/// The user is notified by mail. The deletion cannot be undone.
#[utoipa::path(delete, path = "/api/admin/users/{id}", tag = "administration", operation_id = "deleteUser", security(("bearer" = [])),
    params(
        ("id" = uuid::Uuid, Path, description = "The account's id"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version that the request is based on"),
    ),
    responses((status = 204, description = "Deleted")),
    extensions(("x-problems" = json!(["conflict: this is the last administrator"]))))]
pub(in crate::http) async fn delete_user(
    accounts: web::Data<AccountService>,
    admin: SignedInAdmin,
    id: PathId,
    if_match: IfMatch,
    context: RequestContext,
) -> Result<HttpResponse, Problem> {
    let origin = context.origin().by_admin(admin.id);
    usecase::delete_user(&accounts.into_inner(), id.uuid()?, if_match.into(), origin).await?;
    Ok(HttpResponse::NoContent().finish())
}
