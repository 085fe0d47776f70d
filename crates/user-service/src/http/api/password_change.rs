//! `PUT /api/users/me/password`: changes the password of the caller.

use actix_web::{HttpResponse, web};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    http::{
        extractors::{conditional::IfMatch, json_body::JsonBody, signed_in::SignedInCaller},
        middleware::request_context::RequestContext,
    },
    problem::Problem,
    usecase::{self, AccountService, ChangePassword},
};

/// The current password and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = PasswordChange)]
pub(crate) struct PasswordChangeBody {
    #[schema(value_type = String)]
    current_password: SecretString,
    /// At least 8 characters (or as configured), at most 256 characters and 1024 bytes. Common, breached and personal
    /// passwords are refused.
    #[schema(value_type = String)]
    new_password: SecretString,
}

/// Changes the password of the caller. All other sessions end.
#[utoipa::path(put, path = "/api/users/me/password", tag = "account", operation_id = "changePassword", security(("bearer" = [])),
    request_body = PasswordChangeBody,
    params(("If-Match" = Option<String>, Header, description = "The ETag of the version that the change is based on")),
    responses((status = 204, description = "Changed")),
    extensions(("x-problems" = json!(["wrong-password", "rate-limited"]))))]
pub(in crate::http) async fn change_password(
    accounts: web::Data<AccountService>,
    SignedInCaller(caller): SignedInCaller,
    if_match: IfMatch,
    context: RequestContext,
    JsonBody(body): JsonBody<PasswordChangeBody>,
) -> Result<HttpResponse, Problem> {
    let change = ChangePassword { current: body.current_password, new: body.new_password };
    usecase::change_password(&accounts.into_inner(), caller, change, if_match.into(), context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}
