//! Creates an account with a password, for an administrator: a registration by the rules for administrators.

use std::sync::Arc;

use crate::{
    domain::{User, Writer},
    outbox::Origin,
    problem::Problem,
    usecase::{
        account_service::AccountService,
        registration::register::{Registered, Registration, register_by},
    },
};

/// Creates the account, which exists at once, also with hidden registration: the administrator learns whether the
/// address has an account. The user gets the welcome mail of a registration.
///
/// # Errors
/// Returns [`Problem::ValidationFailed`], [`Problem::EmailTaken`], [`Problem::UsernameTaken`] or
/// [`Problem::IdempotencyKeyReused`].
pub async fn create_user(
    accounts: &Arc<AccountService>,
    registration: Registration,
    origin: Origin,
) -> Result<User, Problem> {
    match register_by(accounts, registration, Writer::Admin, origin).await? {
        Registered::Account(user) => Ok(*user),
        Registered::VerificationPending => {
            Err(Problem::internal(anyhow::anyhow!("the account of an administrator was registered in hidden mode")))
        }
    }
}
