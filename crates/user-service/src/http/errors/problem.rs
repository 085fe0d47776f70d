//! Every reason to refuse a request, and its translation to problem details (RFC 9457).

use std::{borrow::Cow, fmt, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use super::{field_errors::FieldError, problem_type::ProblemType};
use crate::http::request_id::current_request_id;

/// The reason why a request is refused. Its contents are shown to the client; the cause is only logged.
#[derive(Debug)]
pub enum Problem {
    /// The body is not UTF-8, not JSON, has a duplicate member, or is nested too deeply. The detail names the position, and
    /// never repeats the contents.
    MalformedBody(String),
    ValidationFailed(Vec<FieldError>),
    UnsupportedMediaType,
    BodyTooLarge,
    EmailTaken,
    UsernameTaken,
    InvalidCredentials,
    /// The request has a token that is not accepted.
    Unauthorized,
    /// The request has no bearer token. The slug is that of [`Problem::Unauthorized`], but RFC 6750, section 3.1, requires a
    /// challenge without an error code.
    TokenMissing,
    MfaRequired {
        mfa_token: SecretString,
    },
    WrongPassword,
    WrongCode,
    /// The detail is a sentence that says what the request conflicts with.
    Conflict(&'static str),
    TokenInvalid,
    AccountDisabled,
    EmailNotVerified,
    Forbidden,
    NotFound,
    /// `allow` is the value of the `Allow` header.
    MethodNotAllowed {
        allow: &'static str,
    },
    PreconditionFailed,
    IdempotencyKeyReused,
    RateLimited {
        retry_after: Duration,
    },
    Overloaded {
        retry_after: Duration,
    },
    Unavailable {
        retry_after: Duration,
    },
    /// An internal error; [`Problem::internal`] creates it and logs the cause.
    Internal,
}

impl Problem {
    /// Logs `error` with its causes, and returns the problem without them.
    #[must_use]
    pub fn internal(error: impl Into<anyhow::Error>) -> Self {
        let error = error.into();
        tracing::error!(error = format!("{error:#}"), "the request failed");
        Self::Internal
    }

    /// Returns the type of the problem, which has the slug, the status and the title.
    #[must_use]
    pub const fn problem_type(&self) -> ProblemType {
        match self {
            Self::MalformedBody(_) => ProblemType::MalformedBody,
            Self::ValidationFailed(_) => ProblemType::ValidationFailed,
            Self::UnsupportedMediaType => ProblemType::UnsupportedMediaType,
            Self::BodyTooLarge => ProblemType::BodyTooLarge,
            Self::EmailTaken => ProblemType::EmailTaken,
            Self::UsernameTaken => ProblemType::UsernameTaken,
            Self::InvalidCredentials => ProblemType::InvalidCredentials,
            Self::Unauthorized | Self::TokenMissing => ProblemType::Unauthorized,
            Self::MfaRequired { .. } => ProblemType::MfaRequired,
            Self::WrongPassword => ProblemType::WrongPassword,
            Self::WrongCode => ProblemType::WrongCode,
            Self::Conflict(_) => ProblemType::Conflict,
            Self::TokenInvalid => ProblemType::TokenInvalid,
            Self::AccountDisabled => ProblemType::AccountDisabled,
            Self::EmailNotVerified => ProblemType::EmailNotVerified,
            Self::Forbidden => ProblemType::Forbidden,
            Self::NotFound => ProblemType::NotFound,
            Self::MethodNotAllowed { .. } => ProblemType::MethodNotAllowed,
            Self::PreconditionFailed => ProblemType::PreconditionFailed,
            Self::IdempotencyKeyReused => ProblemType::IdempotencyKeyReused,
            Self::RateLimited { .. } => ProblemType::RateLimited,
            Self::Overloaded { .. } => ProblemType::Overloaded,
            Self::Unavailable { .. } => ProblemType::Unavailable,
            Self::Internal => ProblemType::Internal,
        }
    }

    /// Returns the last part of the `type` URI.
    #[must_use]
    pub const fn slug(&self) -> &'static str {
        self.problem_type().slug()
    }

    /// Returns the HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.problem_type().status()
    }

    /// Returns the type in a few words.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        self.problem_type().title()
    }

    /// Returns the explanation of this occurrence for the client.
    fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::MalformedBody(detail) => return Cow::Owned(detail.clone()),
            Self::Conflict(detail) => detail,
            Self::MethodNotAllowed { allow } => return Cow::Owned(format!("This resource supports {allow}.")),
            Self::ValidationFailed(_) => "Each entry of `errors` says what does not fit, and where.",
            Self::UnsupportedMediaType => "Send the body as application/json in UTF-8, without a content encoding.",
            Self::BodyTooLarge => "The body may have at most 64 KiB.",
            Self::EmailTaken => "Another account uses this email address.",
            Self::UsernameTaken => "Another account uses this username, or one that looks like it.",
            Self::InvalidCredentials => "No account matches this identifier and secret.",
            Self::Unauthorized => "The token is not valid, has expired, or its session has ended. Log in again.",
            Self::TokenMissing => "Send an access token in the header `Authorization: Bearer …`.",
            Self::MfaRequired { .. } => "Send `mfaToken` with a code to /api/auth/login/totp.",
            Self::WrongPassword => "This is not the password of the account.",
            Self::WrongCode => "The code is not valid, or it has already been used.",
            Self::TokenInvalid => "The token is unknown, has already been used, or has expired.",
            Self::AccountDisabled => "An administrator has disabled this account.",
            Self::EmailNotVerified => "Confirm your email address first, with the link that was sent to it.",
            Self::Forbidden => "Your account may not do this.",
            Self::NotFound => "There is no such resource.",
            Self::PreconditionFailed => {
                "The resource has changed since you read it. Read it again, and repeat your change."
            }
            Self::IdempotencyKeyReused => {
                "This Idempotency-Key was used with another body. Use a new key for a new request."
            }
            Self::RateLimited { .. } => "Wait as long as `Retry-After` says, then try again.",
            Self::Overloaded { .. } => "More requests arrive than can be served. Try again after `Retry-After`.",
            Self::Unavailable { .. } => {
                "A component that this request needs is not available. Try again after `Retry-After`."
            }
            Self::Internal => "The request could not be completed. The log has the cause under the request id.",
        })
    }

    /// Returns the body of the response.
    #[must_use]
    pub fn details(&self) -> ProblemDetails {
        ProblemDetails {
            problem_type: format!("/problems/{}", self.slug()),
            title: self.title(),
            status: self.status().as_u16(),
            detail: self.detail(),
            errors: match self {
                Self::ValidationFailed(errors) => errors.clone(),
                _ => Vec::new(),
            },
            mfa_token: match self {
                Self::MfaRequired { mfa_token } => Some(mfa_token.expose_secret().to_owned()),
                _ => None,
            },
            request_id: current_request_id(),
        }
    }

    /// Returns the header that RFC 9110 or RFC 6750 requires with this problem.
    fn header(&self) -> Option<(header::HeaderName, String)> {
        match self {
            Self::Unauthorized => {
                Some((header::WWW_AUTHENTICATE, r#"Bearer realm="user-service", error="invalid_token""#.to_owned()))
            }
            Self::TokenMissing | Self::InvalidCredentials | Self::MfaRequired { .. } => {
                Some((header::WWW_AUTHENTICATE, r#"Bearer realm="user-service""#.to_owned()))
            }
            Self::MethodNotAllowed { allow } => Some((header::ALLOW, (*allow).to_owned())),
            _ => self.retry_after().map(|seconds| (header::RETRY_AFTER, seconds.to_string())),
        }
    }

    /// Returns the number of seconds after which the client may try again.
    pub(in crate::http) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after }
            | Self::Overloaded { retry_after }
            | Self::Unavailable { retry_after } => Some(whole_seconds(*retry_after)),
            _ => None,
        }
    }
}

/// Returns the number of seconds, rounded up, and at least 1: `Retry-After: 0` would invite an immediate retry.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).clamp(1, u64::MAX.into()).try_into().unwrap_or(u64::MAX)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        let body = serde_json::to_vec(&self.details()).expect("strings and numbers always serialise");
        let mut response = HttpResponse::build(self.status());
        response
            .insert_header((header::CONTENT_TYPE, "application/problem+json"))
            .insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(header) = self.header() {
            response.insert_header(header);
        }
        response.body(body)
    }
}

/// The body of every error response (RFC 9457, `application/problem+json`).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemDetails {
    /// The problem type: `/problems/<slug>`, which is also the address of a page about it.
    #[serde(rename = "type")]
    problem_type: String,
    /// The problem type in a few words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The explanation of this occurrence.
    detail: Cow<'static, str>,
    /// All errors that were found. Only with `validation-failed`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// The token to send together with the code. Only with `mfa-required`.
    #[serde(skip_serializing_if = "Option::is_none")]
    mfa_token: Option<String>,
    /// The `x-request-id` of the response, which is also in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;
    use serde_json::{Value, json};

    use super::*;
    use crate::http::pages::problem_pages;

    fn response_and_body(problem: &Problem) -> (HttpResponse, Value) {
        let response = problem.error_response();
        let body = problem.error_response().into_body().try_into_bytes().unwrap();
        (response, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn every_problem_response_has_its_members_and_headers() {
        for problem_type in ProblemType::ALL {
            let problem = problem_pages::example(*problem_type);
            let (response, body) = response_and_body(&problem);
            let slug = problem.slug();
            let header = |name: header::HeaderName| response.headers().get(name).map(|it| it.to_str().unwrap());

            assert_eq!(response.status(), problem_type.status(), "{slug}");
            assert_eq!(header(header::CONTENT_TYPE), Some("application/problem+json"), "{slug}");
            assert_eq!(header(header::CACHE_CONTROL), Some("no-store"), "{slug}");
            assert_eq!(body["type"], json!(format!("/problems/{slug}")));
            assert_eq!(body["title"], json!(problem_type.title()));
            assert_eq!(body["status"], json!(problem_type.status().as_u16()));
            assert!(body["detail"].as_str().unwrap().len() > 10, "{slug}");
            assert_eq!(body.get("errors").is_some(), slug == "validation-failed");
            assert_eq!(body.get("mfaToken").is_some(), slug == "mfa-required");

            let status = response.status().as_u16();
            let challenge = header(header::WWW_AUTHENTICATE).is_some_and(|it| it.starts_with("Bearer "));
            assert_eq!(challenge, status == 401, "{slug}");
            let retry: Option<u64> = header(header::RETRY_AFTER).map(|it| it.parse().unwrap());
            assert_eq!(retry.is_some_and(|it| it >= 1), matches!(status, 429 | 503), "{slug}");
            assert_eq!(header(header::ALLOW).is_some(), status == 405, "{slug}");
        }
    }

    #[test]
    fn a_refused_token_and_a_missing_one_differ_only_in_challenge_and_detail() {
        let challenge = |problem: &Problem| {
            let (response, _) = response_and_body(problem);
            response.headers().get(header::WWW_AUTHENTICATE).unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(challenge(&Problem::Unauthorized), r#"Bearer realm="user-service", error="invalid_token""#);
        assert_eq!(challenge(&Problem::TokenMissing), r#"Bearer realm="user-service""#);
        assert_eq!(Problem::TokenMissing.slug(), Problem::Unauthorized.slug());
    }

    #[test]
    fn retry_after_is_rounded_up_and_never_zero() {
        for (millis, seconds) in [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (59_500, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
        assert_eq!(whole_seconds(Duration::MAX), u64::MAX);
    }

    #[test]
    fn neither_debug_nor_display_shows_the_mfa_token() {
        let problem = Problem::MfaRequired { mfa_token: SecretString::from("s3cret") };
        assert!(!format!("{problem:?} {problem}").contains("s3cret"));
        assert_eq!(response_and_body(&problem).1["mfaToken"], "s3cret");
    }

    #[test]
    fn the_cause_of_an_internal_problem_is_not_shown() {
        let problem = Problem::internal(anyhow::anyhow!("disk 7 on fire").context("writing"));
        let (_, body) = response_and_body(&problem);
        assert!(!body.to_string().contains("disk 7"));
    }
}
