//! A service with actix-web. `GET /me` returns the user of the access token.
//!
//! ISSUER, AUDIENCE and PORT in the environment choose the issuer of the tokens, their audience, and the port.

use std::{env, future::Future, net::Ipv4Addr, pin::Pin};

use actix_web::{
    App, FromRequest, HttpRequest, HttpResponse, HttpServer, dev::Payload, error::InternalError, get, http::header,
};
use serde_json::json;
use token_verifier::{Claims, Error, Verifier};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let verifier = Verifier::builder(setting("ISSUER", "http://localhost:3000"))
        .audience(setting("AUDIENCE", "user-service"))
        .build()?;
    let app = move || App::new().app_data(verifier.clone()).service(me);
    HttpServer::new(app).bind((Ipv4Addr::UNSPECIFIED, setting("PORT", "8080").parse()?))?.run().await?;
    Ok(())
}

#[get("/me")]
async fn me(Caller(claims): Caller) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "sub": claims.sub, "roles": claims.roles }))
}

/// The caller: the claims of a valid access token. A handler that takes it responds 401 to all other requests.
struct Caller(Claims);

impl FromRequest for Caller {
    type Error = InternalError<&'static str>;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let verifier = request.app_data::<Verifier>().cloned().expect("main adds it");
        let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credentials = authorization.and_then(|value| value.split_once(' '));
        let bearer = credentials.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"));
        let token = bearer.map(|(_, token)| token.to_owned()).unwrap_or_default();
        Box::pin(async move {
            verifier.verify(&token).await.map(Caller).map_err(|error| match error {
                Error::Invalid(_) => {
                    let response =
                        HttpResponse::Unauthorized().insert_header((header::WWW_AUTHENTICATE, "Bearer")).finish();
                    InternalError::from_response("unauthorized", response)
                }
                Error::Unavailable(_) => {
                    eprintln!("{error}");
                    InternalError::from_response("unavailable", HttpResponse::ServiceUnavailable().finish())
                }
            })
        })
    }
}
