//! `DELETE /api/users/me` and `POST /api/users/me/delete`: the end of one's account.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    domain::Password,
    http::{
        conditional::IfMatch,
        json_body::JsonBody,
        problem::{Problem, ProblemDetails},
        refusals::{BodyRefused, NotSignedIn, Throttled, TryLater},
        request_context::RequestContext,
        signed_in_caller::SignedInCaller,
        validation::Validation,
    },
    usecase::{self, Accounts, DeleteAccount},
};

/// The password that confirms it.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = AccountDeletion)]
pub(crate) struct Body {
    #[schema(value_type = String)]
    password: SecretString,
}

/// Deletes the account of the access token. It cannot be undone; user name and address
/// are free at once.
#[utoipa::path(delete, path = "/api/users/me", tag = "account", operation_id = "deleteMe", security(("bearer" = [])),
    request_body = Body,
    params(("If-Match" = Option<String>, Header, description = "The ETag that it was decided on")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 403, description = "`wrong-password`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 412, description = "`precondition-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, Throttled, TryLater,
    ))]
pub(in crate::http) async fn delete(
    accounts: web::Data<Accounts>,
    caller: SignedInCaller,
    if_match: IfMatch,
    context: RequestContext,
    body: JsonBody<Body>,
) -> Result<HttpResponse, Problem> {
    delete_account(accounts, caller, if_match, context, body).await
}

/// Does what `DELETE /api/users/me` does, for clients behind a proxy that drops the body of
/// a DELETE (RFC 9110 gives it no meaning).
#[utoipa::path(post, path = "/api/users/me/delete", tag = "account", operation_id = "deleteMeByPost", security(("bearer" = [])),
    request_body = Body,
    params(("If-Match" = Option<String>, Header, description = "The ETag that it was decided on")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 403, description = "`wrong-password`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 412, description = "`precondition-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, Throttled, TryLater,
    ))]
pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    caller: SignedInCaller,
    if_match: IfMatch,
    context: RequestContext,
    body: JsonBody<Body>,
) -> Result<HttpResponse, Problem> {
    delete_account(accounts, caller, if_match, context, body).await
}

async fn delete_account(
    accounts: web::Data<Accounts>,
    SignedInCaller(caller): SignedInCaller,
    if_match: IfMatch,
    context: RequestContext,
    JsonBody(body): JsonBody<Body>,
) -> Result<HttpResponse, Problem> {
    let mut found = Validation::default();
    let password = found.check("password", Password::parse_attempt(body.password.expose_secret().to_owned()));
    let password = password.ok_or_else(|| found.problem())?;
    let permits = move |version| if_match.allows(version);
    let delete = DeleteAccount { password };
    usecase::delete_account(&accounts.into_inner(), caller, delete, permits, context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}
