//! `GET /api/admin/users/{id}`: one account.

use actix_web::{HttpResponse, web};

use crate::{
    http::{
        conditional::{IfNoneMatch, etag_header, not_modified},
        path_id::PathId,
        problem::{Problem, ProblemDetails},
        refusals::{Forbidden, NoSuchUser, NotSignedIn, TryLater},
        signed_in_admin::SignedInAdmin,
        users::UserBody,
    },
    usecase::{self, Accounts},
};

/// One account.
#[utoipa::path(get, path = "/api/admin/users/{id}", tag = "administration", operation_id = "getUser", security(("bearer" = [])),
    params(
        ("id" = uuid::Uuid, Path, description = "The account's id"),
        ("If-None-Match" = Option<String>, Header, description = "ETags that the client has"),
    ),
    responses(
        (status = 200, description = "The account", body = UserBody, headers(("ETag" = String))),
        (status = 304, description = "Not changed since"),
        (status = 422, description = "`validation-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        NotSignedIn, Forbidden, NoSuchUser, TryLater,
    ))]
pub(in crate::http) async fn get(
    accounts: web::Data<Accounts>,
    _admin: SignedInAdmin,
    id: PathId,
    if_none_match: IfNoneMatch,
) -> Result<HttpResponse, Problem> {
    let user = usecase::find_user(&accounts, id.uuid()?).await?.ok_or(Problem::NotFound)?;
    if if_none_match.has(user.version) {
        return Ok(not_modified(user.version));
    }
    Ok(HttpResponse::Ok().insert_header(etag_header(user.version)).json(UserBody::from(user)))
}
