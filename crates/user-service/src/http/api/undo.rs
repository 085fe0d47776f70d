//! `POST /api/auth/undo`: undoes a change, or disowns a sign-in, with the token from its notice.

use secrecy::ExposeSecret;

use super::{
    link_token_body::UndoTokenBody,
    responses::{ApiResult, no_content},
};
use crate::{
    http::extractors::{json_body::JsonBody, requests::ClientRequest},
    usecase,
};

/// Undoes a change of the password, of TOTP or of the recovery codes, or disowns a sign-in, with the token from the notice.
///
/// All sessions end. A changed password, and that of a disowned sign-in, becomes unusable, and a link to choose a new one
/// is mailed. TOTP that was turned on is removed. New recovery codes become void. A token works once.
#[utoipa::path(post, path = "/api/auth/undo", tag = "password", operation_id = "undoChange", request_body = UndoTokenBody,
    responses((status = 204, description = "The change is undone")),
    extensions(("x-problems" = json!(["token-invalid", "rate-limited"]))))]
pub(in crate::http) async fn undo_change(request: ClientRequest, JsonBody(body): JsonBody<UndoTokenBody>) -> ApiResult {
    usecase::undo_change(&request.accounts, body.token.expose_secret(), request.origin).await.map(no_content)
}
