//! The OpenAPI 3.1 document, generated from the handlers.

use std::sync::OnceLock;

use actix_web::{HttpResponse, web::Bytes};
use utoipa::{
    OpenApi,
    openapi::{
        HeaderBuilder, Object, RefOr, Type,
        path::{Operation, ParameterIn},
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use super::problem_responses;
use crate::http::{endpoints::endpoints, errors::problem_response::ProblemDetails};

/// What the document says besides the endpoints.
#[derive(OpenApi)]
#[openapi(
    info(title = "user-service", description = "Accounts, sessions and profiles. Every error response is a problem detail (RFC 9457) whose type has a page under `/problems`.", license(name = "Apache-2.0", identifier = "Apache-2.0")),
    components(schemas(ProblemDetails)),
    tags(
        (name = "account", description = "Registration, and the account of the caller"),
        (name = "session", description = "Login, refresh, logout, and the list of sessions"),
        (name = "e-mail", description = "Verification and change of the email address"),
        (name = "password", description = "Reset of a forgotten password"),
        (name = "second factor", description = "TOTP (RFC 6238) and recovery codes"),
        (name = "administration", description = "Accounts of all users, and clients; requires the role `admin`, or where `insufficient-scope` is named a client with a scope"),
        (name = "oauth", description = "Tokens of clients (OAuth 2.0)"),
        (name = "keys", description = "Verification of access tokens by other services"),
    ),
)]
struct Frame;

/// Returns the OpenAPI document of the API.
fn document() -> utoipa::openapi::OpenApi {
    let mut document = Frame::openapi();
    for endpoint in endpoints() {
        document.merge(endpoint.document);
    }
    add_security_schemes(&mut document);
    for operation in operations(&mut document) {
        set_header_patterns(operation);
        problem_responses::add(operation);
        add_response_headers(operation);
    }
    document
}

/// Adds the security schemes of access tokens and of the credentials of clients.
fn add_security_schemes(document: &mut utoipa::openapi::OpenApi) {
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.bearer_format = Some("JWT".to_owned());
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    components.add_security_scheme("client", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
}

/// `*`, or a list of entity tags (RFC 9110, section 8.8.3).
const ENTITY_TAGS: &str = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$"#;
/// A bare key, or a string of structured fields (RFC 9651) without escapes.
const IDEMPOTENCY_KEY: &str = r#"^([!#-\[\]-~][!-\[\]-~]{0,126}|"[!#-\[\]-~]{1,128}")$"#;

/// Adds the grammar of the header fields of requests.
fn set_header_patterns(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        if !matches!(parameter.parameter_in, ParameterIn::Header) {
            continue;
        }
        let pattern = match parameter.name.as_str() {
            "If-Match" | "If-None-Match" => ENTITY_TAGS,
            "Idempotency-Key" => IDEMPOTENCY_KEY,
            _ => continue,
        };
        let schema = Object::builder().schema_type(Type::String).pattern(Some(pattern));
        parameter.schema = Some(schema.into());
    }
}

/// Adds the header fields that responses have because of their status.
fn add_response_headers(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let mut declare = |name: &str, schema_type: Type, description: &str| {
            let schema = Object::builder().schema_type(schema_type);
            let header = HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build();
            response.headers.insert(name.to_owned(), header.into());
        };
        declare("x-request-id", Type::String, "The id of the request, which is also in the log");
        match status.as_str() {
            "401" => declare("WWW-Authenticate", Type::String, "The challenge (RFC 6750; RFC 7617 for clients)"),
            "429" | "503" => declare("Retry-After", Type::Integer, "The number of seconds to wait"),
            _ => {}
        }
    }
}

fn operations(document: &mut utoipa::openapi::OpenApi) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(|item| {
        [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
    })
}

/// Returns the document as JSON; the command `openapi` prints it.
///
/// # Panics
/// Never panics, because the document consists of strings.
#[must_use]
pub fn openapi_json() -> String {
    document().to_pretty_json().expect("an OpenAPI document serialises")
}

/// Handles `GET /api/openapi.json`.
pub(in crate::http) async fn get_openapi() -> HttpResponse {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    // The document never changes, and its serialisation takes milliseconds.
    let document = DOCUMENT.get_or_init(|| openapi_json().into());
    HttpResponse::Ok().content_type("application/json").body(document.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_in_the_document_once_with_problems_as_its_errors() {
        let defined: usize = endpoints().map(|endpoint| endpoint.operations().count()).sum();
        let mut document = document();
        let operations: Vec<_> = operations(&mut document).collect();
        assert_eq!(operations.len(), defined, "two endpoints have the same method and path");
        for operation in operations {
            assert!(operation.extensions.is_none(), "{:?}", operation.operation_id);
            for (status, response) in &operation.responses.responses {
                let RefOr::T(response) = response else { panic!("a reference") };
                let is_problem = response.content.contains_key("application/problem+json");
                let is_oauth = operation.tags.iter().flatten().any(|tag| tag == "oauth");
                let is_error = status.as_str() >= "400" && !(is_oauth && ["400", "401"].contains(&status.as_str()));
                assert_eq!(is_problem, is_error, "{:?} {status}", operation.operation_id);
            }
        }
    }
}
