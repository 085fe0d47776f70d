//! `/api/users/me`: reads, changes and deletes the account of the caller.

use actix_web::{HttpResponse, web};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::user_body::UserBody;
use crate::{
    http::{
        extractors::{
            conditional::{IfMatch, IfNoneMatch, etag_header, not_modified},
            json_body::{JsonBody, MergePatchBody, double_option},
            signed_in::SignedInCaller,
        },
        middleware::request_context::RequestContext,
    },
    problem::Problem,
    usecase::{self, AccountService, ProfilePatch},
};

/// Returns the account of the caller.
#[utoipa::path(get, path = "/api/users/me", tag = "account", operation_id = "getMe", security(("bearer" = [])),
    params(("If-None-Match" = Option<String>, Header, description = "The ETags that the client already has")),
    responses(
        (status = 200, description = "The account", body = UserBody, headers(("ETag" = String))),
        (status = 304, description = "Not modified"),
    ))]
pub(in crate::http) async fn get_me(
    SignedInCaller(caller): SignedInCaller,
    if_none_match: IfNoneMatch,
) -> Result<HttpResponse, Problem> {
    let version = caller.user.version;
    if if_none_match.matches(version) {
        return Ok(not_modified(version));
    }
    Ok(HttpResponse::Ok().insert_header(etag_header(version)).json(UserBody::from(caller.user.user())))
}

/// The members to change (RFC 7396); null clears a member.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ProfilePatch)]
pub(crate) struct ProfilePatchBody {
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
}

/// Changes the profile of the caller.
#[utoipa::path(patch, path = "/api/users/me", tag = "account", operation_id = "updateMe", security(("bearer" = [])),
    request_body(content((ProfilePatchBody = "application/merge-patch+json"), (ProfilePatchBody = "application/json"))),
    params(("If-Match" = Option<String>, Header, description = "The ETag of the version that the change is based on")),
    responses((status = 200, description = "The changed account", body = UserBody, headers(("ETag" = String)))),
    extensions(("x-problems" = json!(["username-taken", "rate-limited"]))))]
pub(in crate::http) async fn update_me(
    accounts: web::Data<AccountService>,
    SignedInCaller(caller): SignedInCaller,
    if_match: IfMatch,
    context: RequestContext,
    MergePatchBody(body): MergePatchBody<ProfilePatchBody>,
) -> Result<HttpResponse, Problem> {
    let accounts = accounts.into_inner();
    let user = usecase::update_profile(&accounts, caller, body.into(), if_match.into(), context.origin()).await?;
    Ok(HttpResponse::Ok().insert_header(etag_header(user.version)).json(UserBody::from(user)))
}

impl From<ProfilePatchBody> for ProfilePatch {
    fn from(body: ProfilePatchBody) -> Self {
        let ProfilePatchBody { username, display_name, locale, timezone, attributes } = body;
        Self { username, display_name, locale, timezone, attributes }
    }
}

/// The password of the account, to confirm the deletion.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = AccountDeletion)]
pub(crate) struct AccountDeletionBody {
    #[schema(value_type = String)]
    password: SecretString,
}

/// Deletes the account of the caller.
///
/// The deletion cannot be undone. The username and the email address are free immediately.
#[utoipa::path(delete, path = "/api/users/me", tag = "account", operation_id = "deleteMe", security(("bearer" = [])),
    request_body = AccountDeletionBody,
    params(("If-Match" = Option<String>, Header, description = "The ETag of the version that the request is based on")),
    responses((status = 204, description = "Deleted")),
    extensions(
        ("x-post-alias" = json!("/api/users/me/delete")),
        ("x-problems" = json!(["wrong-password", "rate-limited"])),
    ))]
pub(in crate::http) async fn delete_me(
    accounts: web::Data<AccountService>,
    SignedInCaller(caller): SignedInCaller,
    if_match: IfMatch,
    context: RequestContext,
    JsonBody(body): JsonBody<AccountDeletionBody>,
) -> Result<HttpResponse, Problem> {
    let accounts = accounts.into_inner();
    usecase::delete_account(&accounts, caller, &body.password, if_match.into(), context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}
