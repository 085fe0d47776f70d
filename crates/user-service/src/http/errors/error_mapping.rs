//! Maps the errors of use cases, and of actix, to problems. This is the only place where an error gets its status.

use std::time::Duration;

use actix_web::http::StatusCode;

use super::{field_errors::FieldError, problem::Problem};
use crate::{
    domain::Invalid,
    keys::SigningUnavailable,
    usecase::{
        AdminActionError, AuthenticateError, ChangeEmailError, ChangePasswordError, ConfirmEmailError,
        DeleteAccountError, DisownAccountError, EndSessionError, EndSessionsError, Failure, LoginError, LoginTotpError,
        RefreshError, RegisterError, ResetPasswordError, SecondFactorError, UndoChangeError, UndoEmailChangeError,
        UnlockError, UpdateProfileError, VerifyEmailError,
    },
};

/// The `Retry-After` of the problem `unavailable`.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// The detail of the conflict when a request would remove the last administrator.
const LAST_ADMIN: &str = "This is the last administrator. Give another account the role first.";

/// Returns the problem for an error of actix or another library with this status. Its text does not reach the client.
#[must_use]
pub(in crate::http) fn problem_for_status(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::NotFound,
        StatusCode::PAYLOAD_TOO_LARGE => Problem::BodyTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::UnsupportedMediaType,
        StatusCode::UNAUTHORIZED => Problem::Unauthorized,
        StatusCode::FORBIDDEN => Problem::Forbidden,
        _ if status.is_client_error() => Problem::MalformedBody("The request cannot be read.".into()),
        _ => Problem::Internal,
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Overloaded { retry_after } => Self::Overloaded { retry_after },
            Failure::RateLimited { retry_after } => Self::RateLimited { retry_after },
            Failure::Unavailable(reason) => {
                tracing::warn!(reason, "answered with 503");
                Self::Unavailable { retry_after: RETRY_AFTER }
            }
            Failure::Internal(error) => Self::internal(error),
        }
    }
}

impl From<SigningUnavailable> for Problem {
    fn from(error: SigningUnavailable) -> Self {
        Failure::from(error).into()
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Refused { password, attributes } => {
                let password = password.iter().map(|invalid| FieldError::body("password", invalid));
                let attributes = attributes.iter().map(|violation| FieldError::within("attributes", violation));
                Self::ValidationFailed(password.chain(attributes).collect())
            }
            RegisterError::EmailTaken => Self::EmailTaken,
            RegisterError::UsernameTaken => Self::UsernameTaken,
            RegisterError::IdempotencyKeyReused => Self::IdempotencyKeyReused,
            RegisterError::Failure(failure) => failure.into(),
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials => Self::InvalidCredentials,
            LoginError::Disabled => Self::AccountDisabled,
            LoginError::EmailNotVerified => Self::EmailNotVerified,
            LoginError::MfaRequired(mfa_token) => Self::MfaRequired { mfa_token },
            LoginError::Failure(failure) => failure.into(),
        }
    }
}

impl From<LoginTotpError> for Problem {
    fn from(error: LoginTotpError) -> Self {
        match error {
            LoginTotpError::TokenInvalid => Self::TokenInvalid,
            LoginTotpError::WrongCode => Self::InvalidCredentials,
            LoginTotpError::Failure(failure) => failure.into(),
        }
    }
}

impl From<SecondFactorError> for Problem {
    fn from(error: SecondFactorError) -> Self {
        match error {
            SecondFactorError::WrongPassword => Self::WrongPassword,
            SecondFactorError::WrongCode => Self::WrongCode,
            SecondFactorError::AlreadyOn => Self::Conflict("The account already has a second factor. Remove it first."),
            SecondFactorError::EmailNotVerified => Self::EmailNotVerified,
            SecondFactorError::NotStarted => {
                Self::Conflict("No set-up of a second factor is in progress, or it has expired. Start again.")
            }
            SecondFactorError::NotOn => Self::Conflict("The account has no second factor."),
            SecondFactorError::Gone => Self::Unauthorized,
            SecondFactorError::Failure(failure) => failure.into(),
        }
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Invalid => Self::Unauthorized,
            RefreshError::Failure(failure) => failure.into(),
        }
    }
}

impl From<AuthenticateError> for Problem {
    fn from(error: AuthenticateError) -> Self {
        match error {
            AuthenticateError::Unauthorized => Self::Unauthorized,
            AuthenticateError::Failure(failure) => failure.into(),
        }
    }
}

impl From<UpdateProfileError> for Problem {
    fn from(error: UpdateProfileError) -> Self {
        match error {
            UpdateProfileError::UsernameTaken => Self::UsernameTaken,
            UpdateProfileError::PreconditionFailed => Self::PreconditionFailed,
            UpdateProfileError::InvalidAttributes(violations) => Self::ValidationFailed(
                violations.iter().map(|violation| FieldError::within("attributes", violation)).collect(),
            ),
            UpdateProfileError::Gone => Self::Unauthorized,
            UpdateProfileError::NotFound => Self::NotFound,
            UpdateProfileError::LastAdmin => Self::Conflict(LAST_ADMIN),
            UpdateProfileError::Failure(failure) => failure.into(),
        }
    }
}

impl From<ChangePasswordError> for Problem {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::WrongPassword => Self::WrongPassword,
            ChangePasswordError::PasswordRefused(reasons) => {
                Self::ValidationFailed(reasons.iter().map(|invalid| FieldError::body("newPassword", invalid)).collect())
            }
            ChangePasswordError::PreconditionFailed => Self::PreconditionFailed,
            ChangePasswordError::Gone => Self::Unauthorized,
            ChangePasswordError::Failure(failure) => failure.into(),
        }
    }
}

impl From<DeleteAccountError> for Problem {
    fn from(error: DeleteAccountError) -> Self {
        match error {
            DeleteAccountError::WrongPassword => Self::WrongPassword,
            DeleteAccountError::PreconditionFailed => Self::PreconditionFailed,
            DeleteAccountError::LastAdmin => Self::Conflict(LAST_ADMIN),
            DeleteAccountError::Gone => Self::Unauthorized,
            DeleteAccountError::Failure(failure) => failure.into(),
        }
    }
}

impl From<AdminActionError> for Problem {
    fn from(error: AdminActionError) -> Self {
        match error {
            AdminActionError::NotFound => Self::NotFound,
            AdminActionError::PreconditionFailed => Self::PreconditionFailed,
            AdminActionError::LastAdmin => Self::Conflict(LAST_ADMIN),
            AdminActionError::NoSecondFactor => Self::Conflict("The account has no second factor."),
            AdminActionError::OwnSecondFactor => {
                Self::Conflict("This is your own account. Remove its second factor with your password and a code.")
            }
            AdminActionError::Failure(failure) => failure.into(),
        }
    }
}

impl From<UnlockError> for Problem {
    fn from(error: UnlockError) -> Self {
        match error {
            UnlockError::NotFound => Self::NotFound,
            UnlockError::Failure(failure) => failure.into(),
        }
    }
}

impl From<VerifyEmailError> for Problem {
    fn from(error: VerifyEmailError) -> Self {
        match error {
            VerifyEmailError::TokenInvalid => Self::TokenInvalid,
            VerifyEmailError::Failure(failure) => failure.into(),
        }
    }
}

impl From<ResetPasswordError> for Problem {
    fn from(error: ResetPasswordError) -> Self {
        match error {
            ResetPasswordError::TokenInvalid => Self::TokenInvalid,
            ResetPasswordError::PasswordRefused(reasons) => {
                Self::ValidationFailed(reasons.iter().map(|invalid| FieldError::body("newPassword", invalid)).collect())
            }
            ResetPasswordError::Failure(failure) => failure.into(),
        }
    }
}

impl From<EndSessionsError> for Problem {
    fn from(error: EndSessionsError) -> Self {
        match error {
            EndSessionsError::Gone => Self::Unauthorized,
            EndSessionsError::Failure(failure) => failure.into(),
        }
    }
}

impl From<EndSessionError> for Problem {
    fn from(error: EndSessionError) -> Self {
        match error {
            EndSessionError::NotFound => Self::NotFound,
            EndSessionError::Failure(failure) => failure.into(),
        }
    }
}

impl From<ChangeEmailError> for Problem {
    fn from(error: ChangeEmailError) -> Self {
        match error {
            ChangeEmailError::Unchanged => {
                let unchanged =
                    Invalid { code: "unchanged", detail: "This is already the email address of the account.".into() };
                Self::ValidationFailed(vec![FieldError::body("newEmail", &unchanged)])
            }
            ChangeEmailError::WrongPassword => Self::WrongPassword,
            ChangeEmailError::TooManyChanges => Self::Conflict(
                "The email address was changed too often: no more earlier addresses can be kept. Try again in a few days.",
            ),
            ChangeEmailError::Gone => Self::Unauthorized,
            ChangeEmailError::Failure(failure) => failure.into(),
        }
    }
}

impl From<ConfirmEmailError> for Problem {
    fn from(error: ConfirmEmailError) -> Self {
        match error {
            ConfirmEmailError::TokenInvalid => Self::TokenInvalid,
            ConfirmEmailError::EmailTaken => Self::EmailTaken,
            ConfirmEmailError::Failure(failure) => failure.into(),
        }
    }
}

impl From<UndoEmailChangeError> for Problem {
    fn from(error: UndoEmailChangeError) -> Self {
        match error {
            UndoEmailChangeError::TokenInvalid => Self::TokenInvalid,
            UndoEmailChangeError::Failure(failure) => failure.into(),
        }
    }
}

impl From<UndoChangeError> for Problem {
    fn from(error: UndoChangeError) -> Self {
        match error {
            UndoChangeError::TokenInvalid => Self::TokenInvalid,
            UndoChangeError::Failure(failure) => failure.into(),
        }
    }
}

impl From<DisownAccountError> for Problem {
    fn from(error: DisownAccountError) -> Self {
        match error {
            DisownAccountError::TokenInvalid => Self::TokenInvalid,
            DisownAccountError::Failure(failure) => failure.into(),
        }
    }
}
