//! OpenAPI 3.1, generated from the handlers, and Swagger UI for it under `/docs`.

use actix_web::{
    HttpResponse,
    http::header,
    web::{self, ServiceConfig},
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_swagger_ui::SwaggerUi;

use super::{auth, jwks, users};

/// The document.
#[derive(OpenApi)]
#[openapi(
    info(title = "user-service", description = "Accounts, sessions and profiles. Every refusal is a problem detail (RFC 9457) whose type has a page under `/problems`.", license(name = "Apache-2.0", identifier = "Apache-2.0")),
    paths(
        users::register::post,
        users::get_me::get,
        users::patch_me::patch,
        users::delete_me::delete,
        users::password::put,
        auth::login::post,
        auth::refresh::post,
        auth::logout::post,
        auth::email_verification::post,
        auth::email_verification::resend,
        auth::password_reset::post,
        auth::password_reset::confirm,
        jwks::get,
    ),
    modifiers(&Bearer),
    tags(
        (name = "account", description = "Registration and one's own account"),
        (name = "session", description = "Login, refresh, logout"),
        (name = "e-mail", description = "Verification of the address"),
        (name = "password", description = "Reset of a forgotten password"),
        (name = "keys", description = "Verification of access tokens by others"),
    ),
)]
pub struct ApiDocument;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.bearer_format = Some("JWT".to_owned());
        document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The document as JSON, as the command `openapi` prints it.
///
/// # Panics
/// Never: the document is made of strings.
#[must_use]
pub fn document() -> String {
    ApiDocument::openapi().to_pretty_json().expect("an OpenAPI document serialises")
}

/// `GET /api/openapi.json`
pub(super) async fn get() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(document())
}

/// Swagger UI, from the binary itself.
pub(super) fn swagger_ui(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/docs").to(|| async {
                HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/")).finish()
            }),
        )
        .service(SwaggerUi::new("/docs/{_:.*}").config(utoipa_swagger_ui::Config::from("/api/openapi.json")));
}
