//! The OpenAPI 3.1 document, generated from the handlers.

use std::sync::OnceLock;

use actix_web::{HttpResponse, web::Bytes};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        HeaderBuilder, Object, RefOr, Type,
        path::{Operation, ParameterIn},
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use crate::http::api::{
    account, admin_user_actions, admin_users, audit_log, email_change, email_verification, jwks, login,
    password_change, password_reset, personal_data_export, registration, second_factor, sessions, undo,
};

/// The OpenAPI document of the API.
#[derive(OpenApi)]
#[openapi(
    info(title = "user-service", description = "Accounts, sessions and profiles. Every error response is a problem detail (RFC 9457) whose type has a page under `/problems`.", license(name = "Apache-2.0", identifier = "Apache-2.0")),
    paths(
        registration::register,
        account::get_me,
        account::update_me,
        account::delete_me,
        account::delete_me_by_post,
        password_change::change_password,
        sessions::list_sessions,
        sessions::end_other_sessions,
        sessions::end_session,
        second_factor::get_totp,
        second_factor::start_totp,
        second_factor::confirm_totp,
        second_factor::remove_totp,
        second_factor::remove_totp_by_post,
        second_factor::renew_recovery_codes,
        email_change::change_email,
        audit_log::get_my_audit_log,
        personal_data_export::export_me,
        login::login,
        login::login_totp,
        sessions::refresh,
        sessions::logout,
        email_verification::verify_email,
        email_verification::resend_verification,
        email_verification::disown_account,
        password_reset::request_password_reset,
        password_reset::confirm_password_reset,
        admin_users::list_users,
        admin_users::get_user,
        admin_users::update_user,
        admin_users::delete_user,
        admin_user_actions::disable,
        admin_user_actions::enable,
        admin_user_actions::unlock,
        audit_log::get_user_audit_log,
        admin_user_actions::logout,
        admin_user_actions::remove_second_factor,
        email_change::confirm_email_change,
        email_change::undo_email_change,
        undo::undo_change,
        jwks::get_jwks,
    ),
    modifiers(&Bearer, &RequestHeaders, &StatusHeaders),
    tags(
        (name = "account", description = "Registration, and the account of the caller"),
        (name = "session", description = "Login, refresh, logout, and the list of sessions"),
        (name = "e-mail", description = "Verification and change of the email address"),
        (name = "password", description = "Reset of a forgotten password"),
        (name = "second factor", description = "TOTP (RFC 6238) and recovery codes"),
        (name = "administration", description = "Accounts of all users; requires the role `admin`"),
        (name = "keys", description = "Verification of access tokens by other services"),
    ),
)]
pub struct ApiDocument;

/// Adds the security scheme of access tokens.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.bearer_format = Some("JWT".to_owned());
        document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// Adds the grammar of the header fields of requests.
struct RequestHeaders;

/// `*`, or a list of entity tags (RFC 9110, section 8.8.3).
const ENTITY_TAGS: &str = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$"#;
/// A bare key, or a string of structured fields (RFC 9651) without escapes.
const IDEMPOTENCY_KEY: &str = r#"^([!#-\[\]-~][!-\[\]-~]{0,126}|"[!#-\[\]-~]{1,128}")$"#;

impl Modify for RequestHeaders {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let parameters = operations(document).flat_map(|operation| operation.parameters.iter_mut().flatten());
        for parameter in parameters {
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
}

/// Adds the header fields that responses have because of their status.
struct StatusHeaders;

impl Modify for StatusHeaders {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for operation in operations(document) {
            for (status, response) in &mut operation.responses.responses {
                let RefOr::T(response) = response else { continue };
                let mut declare = |name: &str, schema_type: Type, description: &str| {
                    let schema = Object::builder().schema_type(schema_type);
                    let header = HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build();
                    response.headers.insert(name.to_owned(), header.into());
                };
                declare("x-request-id", Type::String, "The id of the request, which is also in the log");
                match status.as_str() {
                    "401" => declare("WWW-Authenticate", Type::String, "The challenge (RFC 6750)"),
                    "429" | "503" => declare("Retry-After", Type::Integer, "The number of seconds to wait"),
                    _ => {}
                }
            }
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
    ApiDocument::openapi().to_pretty_json().expect("an OpenAPI document serialises")
}

/// Handles `GET /api/openapi.json`.
pub(in crate::http) async fn get_openapi() -> HttpResponse {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    // The document never changes, and its serialisation takes milliseconds.
    let document = DOCUMENT.get_or_init(|| openapi_json().into());
    HttpResponse::Ok().content_type("application/json").body(document.clone())
}
