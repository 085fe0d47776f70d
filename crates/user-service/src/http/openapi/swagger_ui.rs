//! Serves Swagger UI for the OpenAPI document under `/docs/`. Its files are compiled into the program.

use std::{borrow::Cow, sync::Arc};

use actix_web::{
    HttpResponse,
    http::{
        Method,
        header::{self, ContentEncoding},
    },
    web::{self, Bytes, ServiceConfig},
};
use utoipa_swagger_ui::Config;

use crate::{http::resource::Resource, problem::Problem};

/// The strictest policy under which the page works: scripts and styles of its own, but not inline; images also as `data:`,
/// which the style sheet uses for arrows; requests to this service only; no frames.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// Registers `/docs` and the files below it.
pub(in crate::http) fn configure(config: &mut ServiceConfig) {
    config
        .service(Resource::at("/docs").on(Method::GET, web::to(redirect)))
        .service(Resource::at("/docs/{path:.*}").on(Method::GET, web::to(file)));
}

async fn redirect() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/")).finish()
}

async fn file(path: web::Path<String>) -> Result<HttpResponse, Problem> {
    let config = Arc::new(Config::from("/api/openapi.json"));
    let file = utoipa_swagger_ui::serve(&path, config)
        .map_err(|error| Problem::internal(anyhow::anyhow!("Swagger UI: {error}")))?
        .ok_or(Problem::NotFound)?;
    let mut response = HttpResponse::Ok();
    if file.gzpipped {
        response.insert_header((header::CONTENT_ENCODING, ContentEncoding::Gzip));
    }
    let body = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Ok(response
        .insert_header((header::CONTENT_TYPE, file.content_type))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .body(body))
}
