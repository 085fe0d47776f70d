//! Sessions: list and end them (`/api/users/me/sessions`), refresh and log out (`/api/auth/refresh`, `/api/auth/logout`).

use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    refresh_cookie::{PresentedToken, RefreshCookie, RefreshTokenBody},
    responses::{ApiResult, no_content},
    signed_in::{SignedInBody, signed_in_response},
};
use crate::{
    domain::Cursor,
    http::extractors::{
        json_body::BodyOrEmpty,
        paging::{PageParameters, PageRequest, page_response},
        parameters::{PathId, Query},
        requests::{ClientRequest, UserRequest},
    },
    problem::Problem,
    usecase::{self, ListedSession},
};

/// A session of the caller.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
pub(crate) struct SessionBody {
    id: Uuid,
    /// The browser and the system as far as they are known, such as "Firefox on Linux".
    device: Option<String>,
    /// The IP address of the login.
    address: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The time of the login or of the last refresh.
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Timestamp,
    /// Whether it is the session of the access token of this request.
    current: bool,
}

/// A page of sessions, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SessionPage)]
pub(crate) struct SessionPageBody {
    items: Vec<SessionBody>,
    /// The `cursor` of the next page; null on the last page.
    next_cursor: Option<String>,
}

impl From<ListedSession> for SessionBody {
    fn from(session: ListedSession) -> Self {
        Self {
            id: session.id,
            device: session.device,
            address: session.address,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            current: session.current,
        }
    }
}

/// Lists the active sessions of the caller, newest first.
///
/// The first page always includes the current session.
#[utoipa::path(get, path = "/api/users/me/sessions", tag = "session", operation_id = "listSessions", security(("bearer" = [])),
    params(PageParameters),
    responses((status = 200, description = "A page of sessions", body = SessionPageBody, headers(("Link" = String, description = "The next page (RFC 8288)")))))]
pub(in crate::http) async fn list_sessions(
    UserRequest { accounts, caller, .. }: UserRequest,
    query: Query,
    request: HttpRequest,
) -> ApiResult {
    let page: PageRequest<Cursor> = PageRequest::from_only(&query)?;
    let found = usecase::list_sessions(&accounts, &caller, page.limit, page.after).await?;
    let items = found.items.into_iter().map(SessionBody::from).collect();
    let kept = [("limit", &*page.limit.to_string())];
    Ok(page_response(request.path(), &kept, found.next.as_ref(), |next_cursor| SessionPageBody { items, next_cursor }))
}

/// Ends all sessions of the caller except the current one.
#[utoipa::path(delete, path = "/api/users/me/sessions", tag = "session", operation_id = "endOtherSessions", security(("bearer" = [])),
    responses((status = 204, description = "All other sessions have ended")))]
pub(in crate::http) async fn end_other_sessions(request: UserRequest) -> ApiResult {
    usecase::end_other_sessions(&request.accounts, request.caller, request.origin).await.map(no_content)
}

/// Ends one session of the caller.
///
/// Its access token stays valid until it expires, except at `GET /api/auth/verify`.
#[utoipa::path(delete, path = "/api/users/me/sessions/{id}", tag = "session", operation_id = "endSession", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The session's id")),
    responses((status = 204, description = "The session has ended")),
    extensions(("x-problems" = json!(["not-found: the caller has no such active session"]))))]
pub(in crate::http) async fn end_session(request: UserRequest, id: PathId) -> ApiResult {
    usecase::end_session(&request.accounts, request.caller, id.uuid()?, request.origin).await.map(no_content)
}

/// Exchanges a refresh token for the next tokens of its session.
///
/// A refresh token that was already used ends its session. In cookie mode the body is empty.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "session", operation_id = "refresh", request_body = RefreshTokenBody,
    responses((status = 200, description = "The tokens and the account", body = SignedInBody)),
    extensions(("x-problems" = json!(["unauthorized", "rate-limited: this response has `RateLimit-Policy` and `RateLimit`"]))))]
pub(in crate::http) async fn refresh(
    request: ClientRequest,
    cookie: RefreshCookie,
    body: BodyOrEmpty<RefreshTokenBody>,
) -> ApiResult {
    match cookie.presented(body)? {
        PresentedToken::Body(token) => {
            let signed_in = usecase::refresh(&request.accounts, &token, request.origin).await?;
            Ok(signed_in_response(signed_in.into()))
        }
        PresentedToken::Cookie(token) => match usecase::refresh(&request.accounts, &token, request.origin).await {
            Ok(signed_in) => Ok(cookie.respond(signed_in, request.accounts.lifetimes.sessions.idle)),
            Err(problem @ Problem::Unauthorized) => Ok(cookie.clear(HttpResponse::from_error(problem))),
            Err(problem) => Err(problem),
        },
    }
}

/// Ends the session of the refresh token.
///
/// The response is 204 for any string. In cookie mode the body is empty.
#[utoipa::path(post, path = "/api/auth/logout", tag = "session", operation_id = "logout", request_body = RefreshTokenBody,
    responses((status = 204, description = "The session has ended, if there was one")),
    extensions(("x-problems" = json!(["rate-limited: this response has `RateLimit-Policy` and `RateLimit`"]))))]
pub(in crate::http) async fn logout(
    request: ClientRequest,
    cookie: RefreshCookie,
    body: BodyOrEmpty<RefreshTokenBody>,
) -> ApiResult {
    match cookie.presented(body) {
        Ok(PresentedToken::Body(token)) => {
            usecase::logout(&request.accounts, &token, request.origin).await.map(no_content)
        }
        Ok(PresentedToken::Cookie(token)) => {
            usecase::logout(&request.accounts, &token, request.origin).await?;
            Ok(cookie.clear(no_content(())))
        }
        // Without a cookie there is no session to end.
        Err(Problem::Unauthorized) => Ok(no_content(())),
        Err(problem) => Err(problem),
    }
}
