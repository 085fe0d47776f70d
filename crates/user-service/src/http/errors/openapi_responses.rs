//! The refusals that many operations share, for their documentation.

use utoipa::IntoResponses;

use super::problem::ProblemDetails;

/// Of every operation that reads a body.
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

/// Of every operation: too much to do, or a part of the system is away.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(in crate::http) enum ServiceUnavailable {
    /// `overloaded`, `unavailable`
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemDetails),
}

/// Of every operation that guards a secret or sends a mail.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(in crate::http) enum RateLimited {
    /// `rate-limited`; every answer of this operation has `RateLimit-Policy` and `RateLimit`
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(ProblemDetails),
}

/// Of an operation that turns away a network that floods this process.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(in crate::http) enum NetworkRateLimited {
    /// `rate-limited`, with `RateLimit-Policy` and `RateLimit`
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(ProblemDetails),
}

/// Of every operation that wants an access token.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(in crate::http) enum NotSignedIn {
    /// `unauthorized`
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(ProblemDetails),
}

/// Of every operation for administrators.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(in crate::http) enum Forbidden {
    /// `forbidden`
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemDetails),
}

/// Of every operation on the account of somebody else.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(in crate::http) enum UserNotFound {
    /// `not-found`
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemDetails),
}

/// Of every operation that may take an administrator away.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(in crate::http) enum LastAdmin {
    /// `conflict`: the last administrator
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(ProblemDetails),
}
