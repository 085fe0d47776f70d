//! The error responses that many operations share. These types only document them.

use utoipa::IntoResponses;

use super::problem_response::ProblemDetails;

/// The error responses of an operation that reads a body.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(in crate::http) enum BodyRefused {
    /// `malformed-body`
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemDetails),
    /// `body-too-large`
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDetails),
    /// `unsupported-media-type`
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(ProblemDetails),
    /// `validation-failed`
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(ProblemDetails),
}

/// The error response of every operation: the service is overloaded, or a dependency is unavailable.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(in crate::http) enum ServiceUnavailable {
    /// `overloaded`, `unavailable`
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemDetails),
}

/// The error response of an operation that checks a secret or sends a mail.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(in crate::http) enum RateLimited {
    /// `rate-limited`; every response of this operation has `RateLimit-Policy` and `RateLimit`
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(ProblemDetails),
}

/// The error response of an operation that only limits the rate of each network.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(in crate::http) enum NetworkRateLimited {
    /// `rate-limited`, with `RateLimit-Policy` and `RateLimit`
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(ProblemDetails),
}

/// The error response of an operation that requires an access token.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(in crate::http) enum NotSignedIn {
    /// `unauthorized`
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(ProblemDetails),
}

/// The error response of an operation for administrators.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(in crate::http) enum Forbidden {
    /// `forbidden`
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemDetails),
}

/// The error response of an operation on the account of another user.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(in crate::http) enum UserNotFound {
    /// `not-found`
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemDetails),
}

/// The error response of an operation that may remove an administrator.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(in crate::http) enum LastAdmin {
    /// `conflict`: this is the last administrator
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(ProblemDetails),
}
