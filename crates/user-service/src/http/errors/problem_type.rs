//! The table of all problem types, with slug, status and title.

use actix_web::http::StatusCode;

macro_rules! problem_types {
    ($($name:ident: $status:ident, $slug:literal, $title:literal;)*) => {
        /// The closed set of problem types; each has a page at `/problems/<slug>`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ProblemType { $(#[doc = $title] $name,)* }

        impl ProblemType {
            /// All problem types, ordered by status.
            pub const ALL: &'static [ProblemType] = &[$(ProblemType::$name),*];

            /// Returns the last part of the `type` URI.
            #[must_use]
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug),* }
            }

            /// Returns the HTTP status of the response.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),* }
            }

            /// Returns the type in a few words, the same for each occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }
        }
    };
}

problem_types! {
    MalformedBody: BAD_REQUEST, "malformed-body", "The body cannot be read";
    TokenInvalid: BAD_REQUEST, "token-invalid", "The token is not valid";
    InvalidCredentials: UNAUTHORIZED, "invalid-credentials", "The credentials are wrong";
    Unauthorized: UNAUTHORIZED, "unauthorized", "Authentication is required";
    MfaRequired: UNAUTHORIZED, "mfa-required", "A second factor is required";
    WrongPassword: FORBIDDEN, "wrong-password", "The password is wrong";
    WrongCode: FORBIDDEN, "wrong-code", "The code is wrong";
    AccountDisabled: FORBIDDEN, "account-disabled", "The account is disabled";
    EmailNotVerified: FORBIDDEN, "email-not-verified", "The email address is not verified";
    Forbidden: FORBIDDEN, "forbidden", "Not allowed";
    NotFound: NOT_FOUND, "not-found", "Not found";
    MethodNotAllowed: METHOD_NOT_ALLOWED, "method-not-allowed", "The method is not allowed here";
    EmailTaken: CONFLICT, "email-taken", "The email address is taken";
    UsernameTaken: CONFLICT, "username-taken", "The username is taken";
    Conflict: CONFLICT, "conflict", "The request conflicts with the current state";
    PreconditionFailed: PRECONDITION_FAILED, "precondition-failed", "The precondition does not hold";
    BodyTooLarge: PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large";
    UnsupportedMediaType: UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The media type is not supported";
    ValidationFailed: UNPROCESSABLE_ENTITY, "validation-failed", "The request is not valid";
    IdempotencyKeyReused: UNPROCESSABLE_ENTITY, "idempotency-key-reused", "The idempotency key was used for another request";
    RateLimited: TOO_MANY_REQUESTS, "rate-limited", "Too many requests";
    Overloaded: SERVICE_UNAVAILABLE, "overloaded", "The service is overloaded";
    Unavailable: SERVICE_UNAVAILABLE, "unavailable", "The service is temporarily unavailable";
    Internal: INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_and_statuses_match_the_contract() {
        let mut table: Vec<_> = ProblemType::ALL.iter().map(|it| (it.slug(), it.status().as_u16())).collect();
        table.sort_unstable();
        assert_eq!(
            table,
            [
                ("account-disabled", 403),
                ("body-too-large", 413),
                ("conflict", 409),
                ("email-not-verified", 403),
                ("email-taken", 409),
                ("forbidden", 403),
                ("idempotency-key-reused", 422),
                ("internal", 500),
                ("invalid-credentials", 401),
                ("malformed-body", 400),
                ("method-not-allowed", 405),
                ("mfa-required", 401),
                ("not-found", 404),
                ("overloaded", 503),
                ("precondition-failed", 412),
                ("rate-limited", 429),
                ("token-invalid", 400),
                ("unauthorized", 401),
                ("unavailable", 503),
                ("unsupported-media-type", 415),
                ("username-taken", 409),
                ("validation-failed", 422),
                ("wrong-code", 403),
                ("wrong-password", 403),
            ]
        );
    }
}
