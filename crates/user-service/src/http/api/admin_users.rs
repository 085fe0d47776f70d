//! `/api/admin/users`: creates, lists, reads, changes and deletes accounts.

use actix_web::{
    HttpRequest,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    new_user_body::{NewUser, NewUserBody},
    profile_patch_body::UserPatchBody,
    registration::idempotency_key,
    responses::{ApiResult, no_content},
    user_body::{UserBody, user_response},
};
use crate::{
    domain::{Email, SearchText, UserCursor, UserSearch, UserSelection, UserStatus, Username, user_search::parse_ids},
    http::extractors::{
        conditional::{IfMatch, IfNoneMatch},
        json_body::{JsonBody, MergePatchBody},
        paging::{PageParameters, PageRequest, page_response},
        parameters::{PathId, Query},
        requests::AdminRequest,
    },
    problem::{FieldError, Problem},
    usecase,
};

/// The parameters of the list, except those that select accounts.
const PARAMETERS: [&str; 3] = ["status", "limit", "cursor"];
/// The parameters that select accounts. A request has at most one of them.
const SELECTIONS: [&str; 4] = ["query", "ids", "email", "username"];

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
///
/// If `ids`, `email` or `username` is given, the list has the accounts with these ids, newest first, or the one account
/// with this email address or username. All results are on one page, so `limit` and `cursor` are not allowed. Accounts
/// that do not exist are not in the list. At most one of `query`, `ids`, `email` and `username` is allowed.
#[utoipa::path(get, path = "/api/admin/users", tag = "administration", operation_id = "listUsers", security(("bearer" = [])),
    params(
        ("query" = Option<String>, Query, description = "The beginning of an email address or username; letter case does not matter", max_length = 254),
        ("ids" = Option<Vec<Uuid>>, Query, description = "The ids of accounts, separated by commas", explode = false, min_items = 1, max_items = 100),
        ("email" = Option<String>, Query, description = "An email address; compared as at registration, so letter case does not matter"),
        ("username" = Option<String>, Query, description = "A username; compared as at registration, so neither letter case nor characters that look alike matter"),
        ("status" = Option<String>, Query, description = "`active` or `disabled`", pattern = "^(active|disabled)$"),
        PageParameters,
    ),
    responses((status = 200, description = "A page of accounts", body = UserPageBody, headers(("Link" = String, description = "The next page, `rel=\"next\"` (RFC 8288)")))))]
pub(in crate::http) async fn list_users(
    AdminRequest { accounts, .. }: AdminRequest,
    query: Query,
    request: HttpRequest,
) -> ApiResult {
    query.reject_unknown(&[&SELECTIONS[..], &PARAMETERS].concat())?;
    let search = search(&query)?;
    let page = PageRequest::<UserCursor>::from_query(&query)?;
    if page.after.as_ref().is_some_and(|cursor| !cursor.fits_search(&search)) {
        return Err(parameter_problem("cursor", "invalid", "This is not a `nextCursor` of this list."));
    }
    let found = usecase::find_users(&accounts, &search, page.after.as_ref(), page.limit).await?;
    let kept: Vec<_> = ["query", "status", "limit"].iter().filter_map(|name| Some((*name, query.get(name)?))).collect();
    let items = found.users.into_iter().map(UserBody::from).collect();
    Ok(page_response(request.path(), &kept, found.next.as_ref(), |next_cursor| UserPageBody { items, next_cursor }))
}

fn search(query: &Query) -> Result<UserSearch, Problem> {
    let selection = selection(query)?;
    if selection.is_one_page()
        && let Some(paging) = ["limit", "cursor"].into_iter().find(|name| query.get(name).is_some())
    {
        return Err(parameter_problem(paging, "not-combinable", "All results of this search are on one page."));
    }
    let status = match query.get("status") {
        None => None,
        Some("active") => Some(UserStatus::Active),
        Some("disabled") => Some(UserStatus::Disabled),
        Some(_) => return Err(parameter_problem("status", "unknown", "The status is either `active` or `disabled`.")),
    };
    Ok(UserSearch { selection, status })
}

fn selection(query: &Query) -> Result<UserSelection, Problem> {
    let mut given = SELECTIONS.into_iter().filter_map(|name| Some((name, query.get(name)?)));
    let Some((name, value)) = given.next() else { return Ok(UserSelection::All) };
    if let Some((other, _)) = given.next() {
        let detail = "At most one of `query`, `ids`, `email` and `username` is allowed.";
        return Err(parameter_problem(other, "not-combinable", detail));
    }
    match name {
        "ids" => parse_ids(value).map(UserSelection::Ids),
        "email" => Email::parse(value).map(UserSelection::Email),
        "username" => Username::parse(value).map(UserSelection::Username),
        _ => SearchText::parse(value).map(|text| text.map_or(UserSelection::All, UserSelection::Prefix)),
    }
    .map_err(|invalid| parameter_problem(name, invalid.code, &invalid.detail))
}

fn parameter_problem(parameter: &str, code: &'static str, detail: &str) -> Problem {
    Problem::ValidationFailed(vec![FieldError::parameter(parameter, code, detail)])
}

/// Creates an account with a password, or invites a person.
///
/// An account with a `password` exists at once, and its user gets the welcome mail with the verification link. For an
/// invitation, a mail to the address has a link with which the invited person chooses a password, and the username if
/// it is left out here; until then no password can sign in to the account. The response is the account in both cases,
/// also with `auth.registration = "hidden"`. A repeated request with the same `Idempotency-Key` returns the same account.
#[utoipa::path(post, path = "/api/admin/users", tag = "administration", operation_id = "createUser", security(("bearer" = [])),
    request_body = NewUserBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 128 visible ASCII characters; honoured for 24 hours")),
    responses((status = 201, description = "The account", body = UserBody, headers(("Location" = String), ("ETag" = String)))),
    extensions(("x-problems" = json!(["email-taken", "username-taken", "idempotency-key-reused", "rate-limited"]))))]
pub(in crate::http) async fn create_user(
    request: AdminRequest,
    http_request: HttpRequest,
    JsonBody(body): JsonBody<NewUserBody>,
) -> ApiResult {
    let AdminRequest { accounts, origin, .. } = request;
    let user = match body.into_new_user(idempotency_key(http_request.headers()))? {
        NewUser::WithPassword(registration) => usecase::create_user(&accounts, registration, origin).await?,
        NewUser::Invited(invitation) => usecase::invite_user(&accounts, invitation, origin).await?,
    };
    let location = HeaderValue::from_str(&format!("/api/admin/users/{}", user.id)).map_err(Problem::internal)?;
    let mut response = user_response(user);
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// Returns an account.
#[utoipa::path(get, path = "/api/admin/users/{id}", tag = "administration", operation_id = "getUser", security(("bearer" = [])),
    params(PathId, IfNoneMatch),
    responses(
        (status = 200, description = "The account", body = UserBody, headers(("ETag" = String))),
        (status = 304, description = "Not modified"),
    ))]
pub(in crate::http) async fn get_user(request: AdminRequest, id: PathId, if_none_match: IfNoneMatch) -> ApiResult {
    let user = usecase::find_user(&request.accounts, id.uuid()?).await?.ok_or(Problem::NotFound)?;
    Ok(if_none_match.respond(user.version, UserBody::from(user)))
}

/// Changes the profile and the roles of an account, in one write.
#[utoipa::path(patch, path = "/api/admin/users/{id}", tag = "administration", operation_id = "updateUser", security(("bearer" = [])),
    request_body(content((UserPatchBody = "application/merge-patch+json"), (UserPatchBody = "application/json"))),
    params(PathId, IfMatch),
    responses((status = 200, description = "The changed account", body = UserBody, headers(("ETag" = String)))),
    extensions(("x-problems" = json!(["username-taken", "conflict: this is the last administrator"]))))]
pub(in crate::http) async fn update_user(
    request: AdminRequest,
    id: PathId,
    if_match: IfMatch,
    MergePatchBody(mut body): MergePatchBody<UserPatchBody>,
) -> ApiResult {
    let roles = body.take_roles();
    usecase::edit_user(&request.accounts, id.uuid()?, body.into(), roles, if_match.into(), request.origin)
        .await
        .map(user_response)
}

/// Deletes an account.
///
/// The user is notified by mail. The deletion cannot be undone.
#[utoipa::path(delete, path = "/api/admin/users/{id}", tag = "administration", operation_id = "deleteUser", security(("bearer" = [])),
    params(PathId, IfMatch),
    responses((status = 204, description = "Deleted")),
    extensions(("x-problems" = json!(["conflict: this is the last administrator"]))))]
pub(in crate::http) async fn delete_user(request: AdminRequest, id: PathId, if_match: IfMatch) -> ApiResult {
    usecase::delete_user(&request.accounts, id.uuid()?, if_match.into(), request.origin).await.map(no_content)
}
