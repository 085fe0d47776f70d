//! `POST /api/users`: registration.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::user_body::UserBody;
use crate::{
    domain::{Attributes, DisplayName, Email, IdempotencyKey, Invalid, Locale, Username},
    http::{
        errors::{
            openapi_responses::{RateLimited, ServiceUnavailable},
            problem::{Problem, ProblemDetails},
            validation::Validation,
        },
        extractors::{conditional::etag_header, json_body::JsonBody},
        middleware::request_context::RequestContext,
    },
    usecase::{self, AccountService, Registered, Registration},
};

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Registration)]
pub(crate) struct RegistrationBody {
    /// 3 to 32 letters, digits, `.`, `_` or `-`.
    #[schema(example = "ada")]
    username: String,
    #[schema(example = "ada@example.org")]
    email: String,
    /// At least 8 characters (or as configured), at most 256 and 1024 bytes; not a common, breached or personal one.
    #[schema(value_type = String, example = "correct horse battery")]
    password: SecretString,
    #[schema(nullable = false, example = "Ada Lovelace")]
    display_name: Option<String>,
    /// A language tag (BCP 47).
    #[schema(nullable = false, example = "en-GB")]
    locale: Option<String>,
    /// Anything, up to 16 KiB, that the configured schema allows.
    #[schema(nullable = false, value_type = Option<Object>)]
    attributes: Option<Value>,
}

/// The answer of a service that hides which addresses have an account.
#[derive(Serialize, ToSchema)]
#[schema(as = RegistrationPending)]
pub(crate) struct RegistrationPendingBody {
    /// A mail to the address says what comes next.
    #[schema(example = "verification-pending")]
    status: &'static str,
}

const VERIFICATION_PENDING: RegistrationPendingBody = RegistrationPendingBody { status: "verification-pending" };

/// Registers an account. The answer to the same request with the same
/// `Idempotency-Key` is the same account.
#[utoipa::path(post, path = "/api/users", tag = "account", operation_id = "register", request_body = RegistrationBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 128 visible ASCII characters; honoured for 24 h")),
    responses(
        (status = 201, description = "The account", body = UserBody, headers(("Location" = String), ("ETag" = String))),
        (status = 202, description = "`auth.registration = \"hidden\"`: whether the address is free or has an account", body = RegistrationPendingBody),
        (status = 400, description = "`malformed-body`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`email-taken`, `username-taken`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 413, description = "`body-too-large`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported-media-type`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "`validation-failed`, `idempotency-key-reused`", body = ProblemDetails, content_type = "application/problem+json"),
        RateLimited, ServiceUnavailable,
    ))]
pub(in crate::http) async fn register(
    accounts: web::Data<AccountService>,
    request: HttpRequest,
    context: RequestContext,
    JsonBody(body): JsonBody<RegistrationBody>,
) -> Result<HttpResponse, Problem> {
    let registration = registration(&accounts, &request, body)?;
    Ok(match usecase::register(&accounts.into_inner(), registration, context.origin()).await? {
        Registered::Account(user) => HttpResponse::Created()
            .insert_header((header::LOCATION, "/api/users/me"))
            .insert_header(etag_header(user.version))
            .json(UserBody::from(*user)),
        Registered::VerificationPending => HttpResponse::Accepted().json(VERIFICATION_PENDING),
    })
}

/// What can be told of the body at once and cheaply. The rules for passwords and attributes come after the limits.
fn registration(
    accounts: &AccountService,
    request: &HttpRequest,
    body: RegistrationBody,
) -> Result<Registration, Problem> {
    let mut validation = Validation::default();
    let username = validation.check("username", Username::parse(&body.username));
    let email = validation.check("email", Email::parse(&body.email));
    let password = validation.check("password", accounts.passwords.normal_form(&body.password));
    let display_name = validation.check_optional("displayName", body.display_name.as_deref().map(DisplayName::parse));
    let locale = validation.check_optional("locale", body.locale.as_deref().map(Locale::parse));
    let attributes = validation.check_optional("attributes", body.attributes.map(Attributes::parse));
    let idempotency_key = validation.check_header("Idempotency-Key", idempotency_key(request));
    validation.finish()?;
    let (Some(username), Some(email), Some(password)) = (username, email, password) else {
        return Err(validation.problem());
    };
    Ok(Registration { username, email, password, display_name, locale, attributes, idempotency_key })
}

fn idempotency_key(request: &HttpRequest) -> Option<Result<IdempotencyKey, Invalid>> {
    let mut values = request.headers().get_all("idempotency-key");
    let value = values.next()?;
    if values.next().is_some() {
        return Some(Err(Invalid::new("repeated", "The header is there more than once.")));
    }
    Some(IdempotencyKey::parse(value.as_bytes()))
}
