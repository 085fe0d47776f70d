//! `/api/users/me`: reads, changes and deletes the account of the caller.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::user_body::UserBody;
use crate::{
    domain::{DisplayName, Invalid, Locale, Password, Timezone, Username},
    http::{
        errors::{
            openapi_responses::{BodyRefused, NotSignedIn, RateLimited, ServiceUnavailable},
            problem::{Problem, ProblemDetails},
            validation::Validation,
        },
        extractors::{
            conditional::{IfMatch, IfNoneMatch, etag_header, not_modified},
            json_body::{JsonBody, MergePatchBody, double_option},
            signed_in::SignedInCaller,
        },
        middleware::request_context::RequestContext,
    },
    usecase::{self, AccountService, DeleteAccount, ProfileChange},
};

/// Returns the account of the caller.
#[utoipa::path(get, path = "/api/users/me", tag = "account", operation_id = "getMe", security(("bearer" = [])),
    params(("If-None-Match" = Option<String>, Header, description = "The ETags that the client already has")),
    responses(
        (status = 200, description = "The account", body = UserBody, headers(("ETag" = String))),
        (status = 304, description = "Not modified"),
        (status = 422, description = "`validation-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        NotSignedIn, ServiceUnavailable,
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
    pub(in crate::http) username: Option<String>,
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<String>)]
    pub(in crate::http) display_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<String>)]
    pub(in crate::http) locale: Option<Option<String>>,
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<String>)]
    pub(in crate::http) timezone: Option<Option<String>>,
    /// Merged into the current attributes.
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<Object>)]
    pub(in crate::http) attributes: Option<Option<Map<String, Value>>>,
}

/// Changes the profile of the caller.
#[utoipa::path(patch, path = "/api/users/me", tag = "account", operation_id = "updateMe", security(("bearer" = [])),
    request_body(content((ProfilePatchBody = "application/merge-patch+json"), (ProfilePatchBody = "application/json"))),
    params(("If-Match" = Option<String>, Header, description = "The ETag of the version that the change is based on")),
    responses(
        (status = 200, description = "The changed account", body = UserBody, headers(("ETag" = String))),
        (status = 409, description = "`username-taken`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 412, description = "`precondition-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, RateLimited, ServiceUnavailable,
    ))]
pub(in crate::http) async fn update_me(
    accounts: web::Data<AccountService>,
    SignedInCaller(caller): SignedInCaller,
    if_match: IfMatch,
    context: RequestContext,
    MergePatchBody(body): MergePatchBody<ProfilePatchBody>,
) -> Result<HttpResponse, Problem> {
    let mut validation = Validation::default();
    let change = profile_change(body, &mut validation);
    validation.finish()?;
    let permits = move |version| if_match.allows(version);
    let user = usecase::update_profile(&accounts.into_inner(), caller, change, permits, context.origin()).await?;
    Ok(HttpResponse::Ok().insert_header(etag_header(user.version)).json(UserBody::from(user)))
}

/// Parses the members of the body into a change, and records their errors in `validation`.
pub(in crate::http) fn profile_change(body: ProfilePatchBody, validation: &mut Validation) -> ProfileChange {
    ProfileChange {
        username: validation.check_optional("username", body.username.as_deref().map(Username::parse)),
        display_name: validation
            .check_optional("displayName", body.display_name.map(|new| parse_or_clear(new, DisplayName::parse))),
        locale: validation.check_optional("locale", body.locale.map(|new| parse_or_clear(new, Locale::parse))),
        timezone: validation.check_optional("timezone", body.timezone.map(|new| parse_or_clear(new, Timezone::parse))),
        attributes: body.attributes,
    }
}

fn parse_or_clear<T>(new: Option<String>, parse: impl Fn(&str) -> Result<T, Invalid>) -> Result<Option<T>, Invalid> {
    new.map(|text| parse(&text)).transpose()
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
    responses(
        (status = 204, description = "Deleted"),
        (status = 403, description = "`wrong-password`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 412, description = "`precondition-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, RateLimited, ServiceUnavailable,
    ))]
pub(in crate::http) async fn delete_me(
    accounts: web::Data<AccountService>,
    caller: SignedInCaller,
    if_match: IfMatch,
    context: RequestContext,
    body: JsonBody<AccountDeletionBody>,
) -> Result<HttpResponse, Problem> {
    delete_account(accounts, caller, if_match, context, body).await
}

/// Deletes the account of the caller, like `DELETE /api/users/me`.
///
/// For clients behind a proxy that drops the body of a DELETE (RFC 9110 defines no meaning for it).
#[utoipa::path(post, path = "/api/users/me/delete", tag = "account", operation_id = "deleteMeByPost", security(("bearer" = [])),
    request_body = AccountDeletionBody,
    params(("If-Match" = Option<String>, Header, description = "The ETag of the version that the request is based on")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 403, description = "`wrong-password`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 412, description = "`precondition-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, RateLimited, ServiceUnavailable,
    ))]
pub(in crate::http) async fn delete_me_by_post(
    accounts: web::Data<AccountService>,
    caller: SignedInCaller,
    if_match: IfMatch,
    context: RequestContext,
    body: JsonBody<AccountDeletionBody>,
) -> Result<HttpResponse, Problem> {
    delete_account(accounts, caller, if_match, context, body).await
}

async fn delete_account(
    accounts: web::Data<AccountService>,
    SignedInCaller(caller): SignedInCaller,
    if_match: IfMatch,
    context: RequestContext,
    JsonBody(body): JsonBody<AccountDeletionBody>,
) -> Result<HttpResponse, Problem> {
    let mut validation = Validation::default();
    let password = validation.check("password", Password::parse_attempt(body.password.expose_secret().to_owned()));
    let password = password.ok_or_else(|| validation.problem())?;
    let permits = move |version| if_match.allows(version);
    let delete = DeleteAccount { password };
    usecase::delete_account(&accounts.into_inner(), caller, delete, permits, context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}
