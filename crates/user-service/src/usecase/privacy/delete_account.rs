//! Deletes the caller's account: replaces it by a tombstone whose pending event announces the deletion. The relay
//! removes the tombstone when the event is published.

use std::sync::Arc;

use events::{DeletedBy, UserDeleted};
use secrecy::SecretString;

use crate::{
    domain::{ExpectedVersion, Password},
    outbox::Origin,
    problem::{Problem, Validation},
    store::{Change, UserRecord},
    usecase::{
        account_service::AccountService,
        sessions::authenticate::Caller,
        update::{Attempt, Decision, require_version},
    },
};

/// Deletes the account of the caller. Its user gets a mail. Without `password`, the session proves it.
///
/// # Errors
/// Returns [`Problem::ValidationFailed`], [`Problem::WrongPassword`], [`Problem::ReauthenticationRequired`],
/// [`Problem::PreconditionFailed`], a conflict for the last administrator, or [`Problem::Unauthorized`].
pub async fn delete_account(
    accounts: &Arc<AccountService>,
    caller: Caller,
    password: Option<&SecretString>,
    expected: ExpectedVersion,
    origin: Origin,
) -> Result<(), Problem> {
    let password = password.map(|it| Validation::only("password", Password::parse_attempt(it))).transpose()?;
    require_version(&expected, &caller.user)?;
    let proven = accounts.require_recent_authentication(&caller, password.as_ref(), &origin).await?;
    let outbox = accounts.outbox.clone();
    let delete = move |record: &UserRecord, (), Attempt { now, .. }: Attempt| {
        require_version(&expected, record)?;
        let user = record.user();
        let payload = UserDeleted { user_id: user.id, by: DeletedBy::SelfService, recipient: user.recipient() };
        Ok(Decision::Write(Change::tombstone(outbox.event(now, &origin, payload)), ()))
    };
    accounts.update(accounts.signed_in(caller, Some(proven)), delete).await.map(|_| ())
}
