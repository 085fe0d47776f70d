//! A service with axum. `GET /me` returns the user of the access token.
//!
//! ISSUER, AUDIENCE and PORT in the environment choose the issuer of the tokens, their audience, and the port.

use std::{env, net::Ipv4Addr};

use axum::{
    Json, Router,
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use token_verifier::{Claims, Error, Verifier};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let verifier = Verifier::builder(setting("ISSUER", "http://localhost:3000"))
        .audience(setting("AUDIENCE", "user-service"))
        .build()?;
    let app = Router::new().route("/me", get(me)).with_state(verifier);
    let port = setting("PORT", "8080").parse()?;
    axum::serve(tokio::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?, app).await?;
    Ok(())
}

async fn me(Caller(claims): Caller) -> Json<Value> {
    Json(json!({ "sub": claims.sub, "roles": claims.roles }))
}

/// The caller: the claims of a valid access token. A handler that takes it responds 401 to all other requests.
struct Caller(Claims);

impl FromRequestParts<Verifier> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, verifier: &Verifier) -> Result<Self, Response> {
        let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credentials = authorization.and_then(|value| value.split_once(' '));
        let bearer = credentials.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"));
        let token = bearer.map(|(_, token)| token).unwrap_or_default();
        verifier.verify(token).await.map(Caller).map_err(|error| match error {
            Error::Invalid(_) => (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response(),
            Error::Unavailable(_) => {
                eprintln!("{error}");
                StatusCode::SERVICE_UNAVAILABLE.into_response()
            }
        })
    }
}
