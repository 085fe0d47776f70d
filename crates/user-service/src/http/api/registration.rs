//! `POST /api/users`: registers an account.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    responses::ApiResult,
    user_body::{UserBody, user_response},
};
use crate::{
    domain::{IdempotencyKey, Invalid},
    http::extractors::{json_body::JsonBody, requests::ClientRequest},
    usecase::{self, Registered, Registration},
};

/// The data of a new account.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Registration)]
pub(crate) struct RegistrationBody {
    /// 3 to 32 letters, digits, `.`, `_` or `-`.
    #[schema(example = "ada")]
    username: String,
    #[schema(example = "ada@example.org")]
    email: String,
    /// At least 8 characters (or as configured), at most 256 characters and 1024 bytes. Common, breached and personal
    /// passwords are refused.
    #[schema(value_type = String, example = "correct horse battery")]
    password: SecretString,
    #[schema(nullable = false, example = "Ada Lovelace")]
    display_name: Option<String>,
    /// A language tag (BCP 47).
    #[schema(nullable = false, example = "en-GB")]
    locale: Option<String>,
    /// Any attributes that the configured schema allows, up to 16 KiB.
    #[schema(nullable = false, value_type = Option<Object>)]
    attributes: Option<Value>,
}

/// The response of a service that does not reveal which email addresses have an account.
#[derive(Serialize, ToSchema)]
#[schema(as = RegistrationPending)]
pub(crate) struct RegistrationPendingBody {
    /// A mail to the address explains the next step.
    #[schema(example = "verification-pending")]
    status: &'static str,
}

const VERIFICATION_PENDING: RegistrationPendingBody = RegistrationPendingBody { status: "verification-pending" };

/// Registers an account.
///
/// A repeated request with the same `Idempotency-Key` returns the same account.
#[utoipa::path(post, path = "/api/users", tag = "account", operation_id = "register", request_body = RegistrationBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 128 visible ASCII characters; honoured for 24 hours")),
    responses(
        (status = 201, description = "The account", body = UserBody, headers(("Location" = String), ("ETag" = String))),
        (status = 202, description = "With `auth.registration = \"hidden\"`: the response is the same whether or not the email address has an account", body = RegistrationPendingBody),
    ),
    extensions(("x-problems" = json!(["email-taken", "username-taken", "idempotency-key-reused", "rate-limited"]))))]
pub(in crate::http) async fn register(
    request: ClientRequest,
    http_request: HttpRequest,
    JsonBody(body): JsonBody<RegistrationBody>,
) -> ApiResult {
    let RegistrationBody { username, email, password, display_name, locale, attributes } = body;
    let idempotency_key = idempotency_key(http_request.headers());
    let registration = Registration { username, email, password, display_name, locale, attributes, idempotency_key };
    Ok(match usecase::register(&request.accounts, registration, request.origin).await? {
        Registered::Account(user) => {
            let mut response = user_response(*user);
            *response.status_mut() = StatusCode::CREATED;
            response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/api/users/me"));
            response
        }
        Registered::VerificationPending => HttpResponse::Accepted().json(VERIFICATION_PENDING),
    })
}

pub(super) fn idempotency_key(headers: &HeaderMap) -> Option<Result<IdempotencyKey, Invalid>> {
    let mut values = headers.get_all("idempotency-key");
    let value = values.next()?;
    if values.next().is_some() {
        return Some(Err(Invalid::new("repeated", "The header occurs more than once.")));
    }
    Some(IdempotencyKey::parse(value.as_bytes()))
}
