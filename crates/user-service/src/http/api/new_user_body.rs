//! The body of `POST /api/admin/users`: an account with a password, or an invitation.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    domain::{IdempotencyKey, Invalid},
    problem::{FieldError, Problem},
    usecase::{Invitation, Registration},
};

/// The data of a new account, with either `password` or `invite`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewUser)]
pub(crate) struct NewUserBody {
    /// 3 to 32 letters, digits, `.`, `_` or `-`. May be left out of an invitation: then the invited person chooses it.
    #[schema(nullable = false, example = "ada")]
    username: Option<String>,
    #[schema(example = "ada@example.org")]
    email: String,
    /// At least 8 characters (or as configured), at most 256 characters and 1024 bytes. Common, breached and personal
    /// passwords are refused.
    #[schema(nullable = false, value_type = Option<String>, example = "correct horse battery")]
    password: Option<SecretString>,
    /// Whether the person is invited by mail to choose the password.
    #[schema(nullable = false, example = false)]
    invite: Option<bool>,
    #[schema(nullable = false, example = "Ada Lovelace")]
    display_name: Option<String>,
    /// A language tag (BCP 47). The mail is in this language.
    #[schema(nullable = false, example = "en-GB")]
    locale: Option<String>,
    /// Any attributes that the configured schema allows, up to 16 KiB.
    #[schema(nullable = false, value_type = Option<Object>)]
    attributes: Option<Value>,
}

/// What an administrator asks for.
pub(super) enum NewUser {
    WithPassword(Registration),
    Invited(Invitation),
}

impl NewUserBody {
    /// Returns what the body asks for.
    ///
    /// # Errors
    /// Returns [`Problem::ValidationFailed`] unless it has exactly one of `password` and `invite`, and a username if it
    /// has a password.
    pub(super) fn into_new_user(
        self,
        idempotency_key: Option<Result<IdempotencyKey, Invalid>>,
    ) -> Result<NewUser, Problem> {
        let Self { username, email, password, invite, display_name, locale, attributes } = self;
        let error = |member: &str, code, detail: &str| FieldError::at(format!("#/{member}"), code, detail);
        let errors = match (password, username, invite.unwrap_or_default()) {
            (Some(password), Some(username), false) => {
                return Ok(NewUser::WithPassword(Registration {
                    username,
                    email,
                    password,
                    display_name,
                    locale,
                    attributes,
                    idempotency_key,
                }));
            }
            (None, username, true) => {
                return Ok(NewUser::Invited(Invitation {
                    username,
                    email,
                    display_name,
                    locale,
                    attributes,
                    idempotency_key,
                }));
            }
            (Some(_), _, true) => {
                vec![error("password", "not-allowed", "An invitation has no password: the invited person chooses it.")]
            }
            (Some(_), None, false) => {
                vec![error("username", "missing", "This member is required, because the account has a password.")]
            }
            (None, _, false) => {
                vec![error("password", "missing", "Give either `password`, or `invite` with the value true.")]
            }
        };
        Err(Problem::ValidationFailed(errors))
    }
}
