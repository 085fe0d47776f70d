//! Says whether a new password would be accepted, while it is typed. Stores nothing, and counts in this process only.

use secrecy::SecretString;

use crate::{
    outbox::Origin,
    problem::{Problem, Validation},
    usecase::account_service::AccountService,
};

/// Maximum length of the context in bytes: a username, an email address and a display name, each as long as it can be.
const MAX_CONTEXT_BYTES: usize = 1024;

/// Checks a password by the rules for new ones. `context` holds what else was entered in the same form, such as the
/// username; what exceeds the limit is not considered.
///
/// # Errors
/// Returns [`Problem::ValidationFailed`] with all reasons against the password, [`Problem::RateLimited`], or
/// [`Problem::Overloaded`].
pub async fn check_new_password(
    accounts: &AccountService,
    new: &SecretString,
    context: &str,
    origin: &Origin,
) -> Result<(), Problem> {
    accounts.rate_limiter.check_typed_password(origin)?;
    let new = Validation::only("newPassword", accounts.passwords.parse(new))?;
    let context = &context[..context.floor_char_boundary(MAX_CONTEXT_BYTES)];
    accounts.passwords.judge("newPassword", new, &[context], &accounts.hashes).await.map(drop)
}
