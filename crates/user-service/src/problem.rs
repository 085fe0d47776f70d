//! The problems: every reason to refuse a request, each declared once, with its status and all its texts.
//!
//! Use cases return a [`Problem`], and `http/errors/problem_response.rs` makes it a response (RFC 9457). So this file is
//! the only one that decides the status of an error. What a variant contains is shown to the client, except the
//! contents of [`Problem::Unavailable`] and [`Problem::Internal`], which only the log gets.

mod authentication_factor;
mod field_error;
mod validation;

use std::{borrow::Cow, fmt, time::Duration};

use actix_web::http::StatusCode;
use secrecy::SecretString;
use service_kit::{mongo::StoreError, panics::Panicked};

pub use authentication_factor::AuthenticationFactor;
pub use field_error::{FieldError, Location};
pub(crate) use validation::Validation;

use crate::{
    hashing::HashError,
    keys::SigningUnavailable,
    store::{EMAIL_KEYS, is_username_index},
};

/// The time after which a client may try again when a dependency is unavailable.
const RETRY_UNAVAILABLE: Duration = Duration::from_secs(2);
/// The waiting time in examples.
const EXAMPLE_WAIT: Duration = Duration::from_secs(5);

macro_rules! problems {
    (
        $(
            $(#[$doc:meta])*
            $name:ident $(($contents:ty))? {
                status: $status:ident, slug: $slug:literal, title: $title:literal,
                detail: $detail:literal,
                when: $when:literal,
                remedy: $remedy:literal,
                $(example: $example:expr,)?
            }
        )*
    ) => {
        /// The reason why a request is refused.
        #[derive(Debug)]
        pub enum Problem {
            $( $(#[$doc])* $name $(($contents))?, )*
            /// The request has no bearer token. The type is that of [`Problem::Unauthorized`], but RFC 6750, section
            /// 3.1, requires a challenge without an error code.
            TokenMissing,
            /// No client may do this, whatever its scopes are, or no page of this origin. The type is that of
            /// [`Problem::Forbidden`]; the text says what, in a sentence.
            ForbiddenBecause(&'static str),
        }

        /// The closed set of problem types; each has a page at `/problems/<slug>`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ProblemType { $(#[doc = $title] $name,)* }

        impl Problem {
            /// Returns the type, which has the status, the slug and the texts.
            #[must_use]
            pub const fn problem_type(&self) -> ProblemType {
                match self {
                    $(Self::$name { .. } => ProblemType::$name,)*
                    Self::TokenMissing => ProblemType::Unauthorized,
                    Self::ForbiddenBecause(_) => ProblemType::Forbidden,
                }
            }
        }

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

            /// Returns the explanation of an occurrence that has none of its own.
            const fn detail(self) -> &'static str {
                match self { $(Self::$name => $detail),* }
            }

            /// Returns when the problem happens, for its page.
            #[must_use]
            pub const fn when(self) -> &'static str {
                match self { $(Self::$name => $when),* }
            }

            /// Returns what a client can do, for its page.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy),* }
            }

            /// Returns an example, for its page.
            #[must_use]
            pub fn example(self) -> Problem {
                match self { $(Self::$name => problems!(@example $name $($example)?)),* }
            }
        }
    };
    (@example $name:ident) => { Problem::$name };
    (@example $name:ident $example:expr) => { $example };
}

problems! {
    /// The text names the position of the error, and never repeats the contents of the body.
    MalformedBody(String) {
        status: BAD_REQUEST, slug: "malformed-body", title: "The body cannot be read",
        detail: "The body is not acceptable JSON: a member occurs twice in one object at line 1 column 40.",
        when: "The body is empty, is not UTF-8 or not JSON, has the same member twice in one object, is nested deeper than 32 levels, or did not arrive completely.",
        remedy: "Send one JSON object. The detail names the line and column of the error.",
        example: Problem::MalformedBody(ProblemType::MalformedBody.detail().to_owned()),
    }

    TokenInvalid {
        status: BAD_REQUEST, slug: "token-invalid", title: "The token is not valid",
        detail: "The token is unknown, has already been used, or has expired.",
        when: "A token from a mail, or the mfaToken of a login, is unknown, has already been used, or has expired. The response is the same in all these cases.",
        remedy: "Request a new link, or log in again for a new mfaToken.",
    }

    InvalidCredentials {
        status: UNAUTHORIZED, slug: "invalid-credentials", title: "The credentials are wrong",
        detail: "No account matches this identifier and secret.",
        when: "No account has this identifier and this password, or the code of the second factor is wrong. The response does not reveal which.",
        remedy: "Let the user check the input, or start a password reset.",
    }

    /// The request has a token that is not accepted.
    Unauthorized {
        status: UNAUTHORIZED, slug: "unauthorized", title: "Authentication is required",
        detail: "The token is not valid, has expired, or its session has ended. Log in again.",
        when: "The request has no access token, or its access or refresh token is malformed, has expired, or belongs to a session that has ended.",
        remedy: "Refresh the access token once. If that is refused, too, log in again.",
    }

    /// The password is correct; the token continues the login.
    MfaRequired(SecretString) {
        status: UNAUTHORIZED, slug: "mfa-required", title: "A second factor is required",
        detail: "Send `mfaToken` with a code to /api/auth/login/totp.",
        when: "The password is correct, and the account has a second factor.",
        remedy: "Send mfaToken with a code of the authenticator, or with a recovery code, to POST /api/auth/login/totp.",
        example: Problem::MfaRequired(SecretString::from("bXktbWZhLXRva2Vu")),
    }

    WrongPassword {
        status: FORBIDDEN, slug: "wrong-password", title: "The password is wrong",
        detail: "This is not the password of the account.",
        when: "The request of a logged-in user requires the current password, and the given password is wrong.",
        remedy: "Let the user enter it again. The session is not affected.",
    }

    WrongCode {
        status: FORBIDDEN, slug: "wrong-code", title: "The code is wrong",
        detail: "The code is not valid, or it has already been used.",
        when: "The request of a logged-in user requires a code, and the given code is wrong or has already been used.",
        remedy: "Wait for the next code of the authenticator, and check the clock of its device.",
    }

    /// The request does not contain these factors, and the session has not given all of them within the last ten minutes.
    ReauthenticationRequired(&'static [AuthenticationFactor]) {
        status: FORBIDDEN, slug: "reauthentication-required", title: "Recent authentication is required",
        detail: "Send what `required` names to /api/auth/reauthenticate, then repeat the request.",
        when: "The request changes the email address, the password or the second factor, or exports or deletes the account, and the session has not given all factors of the account within the last ten minutes.",
        remedy: "Ask the user for the factors in `required`, send them to POST /api/auth/reauthenticate, then repeat the request. The access token stays valid.",
        example: Problem::ReauthenticationRequired(&[AuthenticationFactor::Password, AuthenticationFactor::SecondFactor]),
    }

    AccountDisabled {
        status: FORBIDDEN, slug: "account-disabled", title: "The account is disabled",
        detail: "An administrator has disabled this account.",
        when: "The credentials are correct, but an administrator has disabled the account.",
        remedy: "Ask an administrator.",
    }

    EmailNotVerified {
        status: FORBIDDEN, slug: "email-not-verified", title: "The email address is not verified",
        detail: "Confirm your email address first, with the link that was sent to it.",
        when: "The credentials are correct, but the email address must be confirmed first: before a second factor is set up, and before the first login if the service is configured so.",
        remedy: "Follow the link in the welcome mail, or request a new one with POST /api/auth/email-verification/resend.",
    }

    Forbidden {
        status: FORBIDDEN, slug: "forbidden", title: "Not allowed",
        detail: "Your account may not do this.",
        when: "The token is valid, but the account does not have the role that this endpoint requires. Or a client tries to change roles, or an account that has a role, which no client may.",
        remedy: "Ask an administrator for the role, then refresh the access token.",
    }

    /// The text has the scopes, one of which is required, with spaces between them.
    InsufficientScope(String) {
        status: FORBIDDEN, slug: "insufficient-scope", title: "The token does not have the required scope",
        detail: "This requires a token with one of these scopes: users:read.",
        when: "The access token of a client is valid, but it has none of the scopes that this endpoint requires.",
        remedy: "Request a token with the scope. If the client does not have it, ask an administrator for a client that has.",
        example: Problem::InsufficientScope("users:read".to_owned()),
    }

    NotFound {
        status: NOT_FOUND, slug: "not-found", title: "Not found",
        detail: "There is no such resource.",
        when: "Nothing is served at this path, or the resource does not exist. A path whose id is not a UUID never exists.",
        remedy: "Compare the path with the description of the API at /api/openapi.json.",
    }

    /// The text is the value of the `Allow` header.
    MethodNotAllowed(String) {
        status: METHOD_NOT_ALLOWED, slug: "method-not-allowed", title: "The method is not allowed here",
        detail: "This resource supports GET, HEAD.",
        when: "The path exists, but it does not support this method.",
        remedy: "Use one of the methods in the Allow header.",
        example: Problem::MethodNotAllowed("GET, HEAD".to_owned()),
    }

    EmailTaken {
        status: CONFLICT, slug: "email-taken", title: "The email address is taken",
        detail: "Another account uses this email address.",
        when: "Another account has this email address, or had it until recently and may still get it back.",
        remedy: "Log in to that account, reset its password, or use another email address.",
    }

    UsernameTaken {
        status: CONFLICT, slug: "username-taken", title: "The username is taken",
        detail: "Another account uses this username, or one that looks like it.",
        when: "Another account has this username, or one that looks the same.",
        remedy: "Choose another username.",
    }

    /// The text says what the request conflicts with, in a sentence.
    Conflict(&'static str) {
        status: CONFLICT, slug: "conflict", title: "The request conflicts with the current state",
        detail: "This is the last administrator. Give another account the role first.",
        when: "The request conflicts with the state of the resource. For example, it would remove the last administrator, or a second factor is already on, or its set-up was not started.",
        remedy: "Read the resource again, and decide with its current state.",
        example: Problem::Conflict(ProblemType::Conflict.detail()),
    }

    PreconditionFailed {
        status: PRECONDITION_FAILED, slug: "precondition-failed", title: "The precondition does not hold",
        detail: "The resource has changed since you read it. Read it again, and repeat your change.",
        when: "The If-Match header does not name the current version: the resource has changed since you read it.",
        remedy: "Read it again, merge your change, and send it with the new ETag.",
    }

    BodyTooLarge {
        status: PAYLOAD_TOO_LARGE, slug: "body-too-large", title: "The body is too large",
        detail: "The body may have at most 64 KiB.",
        when: "The body has more than 64 KiB.",
        remedy: "Send a smaller body.",
    }

    UnsupportedMediaType {
        status: UNSUPPORTED_MEDIA_TYPE, slug: "unsupported-media-type", title: "The media type is not supported",
        detail: "Send the body in UTF-8 without a content encoding, as application/json, or for /oauth as application/x-www-form-urlencoded.",
        when: "This endpoint does not accept the Content-Type, its charset is not UTF-8, or the body has a content encoding.",
        remedy: "Send application/json, application/merge-patch+json to PATCH, or application/x-www-form-urlencoded to /oauth.",
    }

    ValidationFailed(Vec<FieldError>) {
        status: UNPROCESSABLE_ENTITY, slug: "validation-failed", title: "The request is not valid",
        detail: "Each entry of `errors` says what does not fit, and where.",
        when: "The request can be read, but it is not valid: a member is missing, unknown, of a wrong type or out of range. Invalid parameters and headers are reported in the same way.",
        remedy: "Correct every entry of errors: pointer, parameter or header is its location, code is its kind, and detail explains it in a sentence.",
        example: Problem::ValidationFailed(vec![
            FieldError::at("#/email".into(), "missing", "This member is required."),
            FieldError::at("#/username".into(), "out-of-range", "It must have at least 3 characters."),
        ]),
    }

    IdempotencyKeyReused {
        status: UNPROCESSABLE_ENTITY, slug: "idempotency-key-reused", title: "The idempotency key was used for another request",
        detail: "This Idempotency-Key was used with another body. Use a new key for a new request.",
        when: "The Idempotency-Key was already used with another body.",
        remedy: "Use a new key for each new registration, and the same key only to repeat a registration.",
    }

    /// A rate limit is reached, for this duration.
    RateLimited(Duration) {
        status: TOO_MANY_REQUESTS, slug: "rate-limited", title: "Too many requests",
        detail: "Wait as long as `Retry-After` says, then try again.",
        when: "Too many requests of this kind came from this network, or for this account.",
        remedy: "Wait the number of seconds in Retry-After.",
        example: Problem::RateLimited(EXAMPLE_WAIT),
    }

    /// A defect of the service; only the log gets the error chain.
    Internal(anyhow::Error) {
        status: INTERNAL_SERVER_ERROR, slug: "internal", title: "Something went wrong on our side",
        detail: "The request could not be completed. The log has the cause under the request id.",
        when: "An internal error of the service.",
        remedy: "Report it with the requestId, under which the log has the cause.",
        example: Problem::Internal(anyhow::anyhow!("an example")),
    }

    /// The service has more work than it can do, for this duration.
    Overloaded(Duration) {
        status: SERVICE_UNAVAILABLE, slug: "overloaded", title: "The service is overloaded",
        detail: "More requests arrive than can be served. Try again after `Retry-After`.",
        when: "More requests arrive than can be served in time, so this one was refused immediately. It has changed nothing.",
        remedy: "Try again after Retry-After, with increasing and random pauses.",
        example: Problem::Overloaded(EXAMPLE_WAIT),
    }

    /// A dependency is unavailable; only the log gets the reason. If this happens during a write, its outcome is unknown.
    Unavailable(String) {
        status: SERVICE_UNAVAILABLE, slug: "unavailable", title: "The service is temporarily unavailable",
        detail: "A component that this request needs is not available. Try again after `Retry-After`.",
        when: "A component that this request needs, such as the database, is not available. Whether a change was made may be unknown.",
        remedy: "Try again after Retry-After. Registrations with an Idempotency-Key can be repeated safely.",
        example: Problem::Unavailable("the store is unavailable".to_owned()),
    }
}

impl Problem {
    /// Creates a problem whose error chain goes to the log.
    #[must_use]
    pub fn internal(error: impl Into<anyhow::Error>) -> Self {
        Self::Internal(error.into())
    }

    /// Creates a problem whose reason goes to the log.
    #[must_use]
    pub fn unavailable(reason: &str) -> Self {
        Self::Unavailable(reason.to_owned())
    }

    /// Returns the slug of the type.
    #[must_use]
    pub const fn slug(&self) -> &'static str {
        self.problem_type().slug()
    }

    /// Returns the HTTP status of the response.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.problem_type().status()
    }

    /// Returns the explanation of this occurrence.
    #[must_use]
    pub fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::MalformedBody(detail) => Cow::Owned(detail.clone()),
            Self::Conflict(detail) | Self::ForbiddenBecause(detail) => Cow::Borrowed(detail),
            Self::InsufficientScope(scopes) => {
                Cow::Owned(format!("This requires a token with one of these scopes: {scopes}."))
            }
            Self::MethodNotAllowed(allow) => Cow::Owned(format!("This resource supports {allow}.")),
            Self::TokenMissing => Cow::Borrowed("Send an access token in the header `Authorization: Bearer …`."),
            _ => Cow::Borrowed(self.problem_type().detail()),
        }
    }

    /// Returns the number of seconds after which the client may try again.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited(wait) | Self::Overloaded(wait) => Some(whole_seconds(*wait)),
            Self::Unavailable(_) => Some(whole_seconds(RETRY_UNAVAILABLE)),
            _ => None,
        }
    }

    /// Writes to the log what the client does not get. The boundary that answers the request calls it, once.
    pub fn log_cause(&self) {
        match self {
            Self::Internal(error) => tracing::error!(error = format!("{error:#}"), "the request failed"),
            Self::Unavailable(reason) => tracing::warn!(reason, "answered with 503"),
            _ => {}
        }
    }
}

/// Returns the number of seconds, rounded up, and at least 1: `Retry-After: 0` would invite an immediate retry.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).clamp(1, u64::MAX.into()).try_into().unwrap_or(u64::MAX)
}

/// For the log, and for commands.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internal(error) => write!(f, "internal error: {error:#}"),
            Self::Unavailable(reason) => write!(f, "unavailable: {reason}"),
            Self::Conflict(detail) => f.write_str(detail),
            _ => f.write_str(self.slug()),
        }
    }
}

impl std::error::Error for Problem {}

/// A write that runs into a unique index says which value is taken.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Timeout | StoreError::Unavailable(_) => Self::Unavailable(error.to_string()),
            StoreError::DuplicateKey { index } if index == EMAIL_KEYS => Self::EmailTaken,
            StoreError::DuplicateKey { index } if is_username_index(&index) => Self::UsernameTaken,
            other => Self::internal(other),
        }
    }
}

impl From<HashError> for Problem {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Overloaded { retry_after } => Self::Overloaded(retry_after),
            HashError::ShuttingDown => Self::unavailable("shutting down"),
            other => Self::internal(other),
        }
    }
}

impl From<SigningUnavailable> for Problem {
    fn from(error: SigningUnavailable) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<Panicked> for Problem {
    fn from(panicked: Panicked) -> Self {
        Self::internal(panicked)
    }
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
                ("insufficient-scope", 403),
                ("internal", 500),
                ("invalid-credentials", 401),
                ("malformed-body", 400),
                ("method-not-allowed", 405),
                ("mfa-required", 401),
                ("not-found", 404),
                ("overloaded", 503),
                ("precondition-failed", 412),
                ("rate-limited", 429),
                ("reauthentication-required", 403),
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

    #[test]
    fn retry_after_is_rounded_up_and_never_zero() {
        for (millis, seconds) in [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (59_500, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
        assert_eq!(whole_seconds(Duration::MAX), u64::MAX);
    }
}
