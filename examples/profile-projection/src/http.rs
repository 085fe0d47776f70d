//! Serves the copy to signed-in users.

use std::fmt::Display;

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Path, ServiceConfig, get};
use actix_web::{Error, HttpRequest, HttpResponse, error::InternalError};
use bson::{Document, doc};
use serde_json::json;
use service_kit::ops::readyz;
use token_verifier::{Claims, Verifier};

use crate::read_model::ReadModel;

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.route("/profiles/{id}", get().to(profile)).route("/me", get().to(me));
    app.route("/healthz", get().to(HttpResponse::Ok)).route("/readyz", get().to(readyz));
}

/// What the handlers need.
pub(crate) struct Context {
    pub(crate) users: ReadModel,
    pub(crate) verifier: Verifier,
}

/// Responds with what every signed-in user may see of an active user.
async fn profile(request: HttpRequest, id: Path<String>, context: Data<Context>) -> Result<HttpResponse, Error> {
    context.caller(&request).await?;
    let members = doc! { "username": 1, "displayName": 1, "locale": 1 };
    context.respond(doc! { "_id": id.into_inner(), "status": "active" }, members).await
}

/// Responds with everything that the copy has of the caller.
async fn me(request: HttpRequest, context: Data<Context>) -> Result<HttpResponse, Error> {
    let caller = context.caller(&request).await?;
    context.respond(doc! { "_id": caller.sub, "deleted": { "$exists": false } }, doc! {}).await
}

impl Context {
    /// Returns the claims of the access token.
    async fn caller(&self, request: &HttpRequest) -> Result<Claims, Error> {
        let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credentials = authorization.and_then(|value| value.split_once(' '));
        let bearer = credentials.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"));
        let claims = self.verifier.verify(bearer.map_or("", |(_, token)| token)).await;
        claims.map_err(|error| problem(error.status(), error))
    }

    /// Responds with these members of the user that matches.
    async fn respond(&self, filter: Document, members: Document) -> Result<HttpResponse, Error> {
        let found = self.users.find(filter, members).await.map_err(|error| problem(503, error))?;
        let mut user = found.ok_or_else(|| problem(404, "no such user"))?;
        let id = user.remove("_id");
        user.insert("id", id);
        Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(user))
    }
}

/// Returns the error that responds with a problem (RFC 9457).
fn problem(status: u16, cause: impl Display) -> Error {
    let mut response = HttpResponse::build(StatusCode::from_u16(status).expect("a status of HTTP"));
    match status {
        401 => _ = response.insert_header((header::WWW_AUTHENTICATE, "Bearer")),
        503 => tracing::warn!(%cause, "a request failed"),
        _ => {}
    }
    let title = StatusCode::as_str(&StatusCode::OK);
    let body = json!({ "type": "about:blank", "title": title, "status": status });
    InternalError::from_response(title, response.content_type("application/problem+json").json(body)).into()
}
