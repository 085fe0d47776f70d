//! `POST /api/auth/undo`: undoes a change with the token from its notice.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    http::{extractors::json_body::JsonBody, middleware::request_context::RequestContext},
    problem::Problem,
    usecase::{self, AccountService},
};

/// The token from the link in the mail.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = UndoToken)]
pub(crate) struct UndoTokenBody {
    #[schema(value_type = String)]
    token: SecretString,
}

/// Undoes a change of the password, of TOTP or of the recovery codes, with the token from the notice of the change.
///
/// All sessions end. A changed password becomes unusable, and a link to choose a new one is mailed. TOTP that was turned
/// on is removed. New recovery codes become void. A token works once.
#[utoipa::path(post, path = "/api/auth/undo", tag = "password", operation_id = "undoChange", request_body = UndoTokenBody,
    responses((status = 204, description = "The change is undone")),
    extensions(("x-problems" = json!(["token-invalid", "rate-limited"]))))]
pub(in crate::http) async fn undo_change(
    accounts: web::Data<AccountService>,
    context: RequestContext,
    JsonBody(body): JsonBody<UndoTokenBody>,
) -> Result<HttpResponse, Problem> {
    usecase::undo_change(&accounts.into_inner(), body.token.expose_secret(), context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}
