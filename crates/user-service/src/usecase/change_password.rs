//! A new password: the present one is verified, and the write names its hash. All
//! other sessions end in the same write; the one that asks is kept.

use std::sync::Arc;

use bson::doc;
use events::{PasswordChangeReason, sealing::Purpose};

use super::{Accounts, Caller, Failure, Next, after, reauthenticate::Reauthentication};
use crate::{
    domain::Password,
    hashing::PasswordHash,
    outbox::Origin,
    store::{Change, DecidedOn, TokenChange},
};
use service_kit::mongo::StoreError;

/// The present password and the new one.
pub struct ChangePassword {
    pub current: Password,
    pub new: Password,
}

/// Why the password is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    #[error("the password is wrong")]
    WrongPassword,
    #[error("the account is gone, or its sessions have ended")]
    Gone,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<Reauthentication> for ChangePasswordError {
    fn from(error: Reauthentication) -> Self {
        match error {
            Reauthentication::WrongPassword => Self::WrongPassword,
            Reauthentication::Failure(failure) => Self::Failure(failure),
        }
    }
}

impl From<StoreError> for ChangePasswordError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// Changes the password of the caller.
///
/// # Errors
/// [`ChangePasswordError`]; nothing was changed, except after an unavailable store,
/// where the outcome is unknown.
pub async fn change_password(
    accounts: &Arc<Accounts>,
    caller: Caller,
    change: ChangePassword,
    origin: Origin,
) -> Result<(), ChangePasswordError> {
    let verified = accounts.reauthenticate(&caller, &change.current, &origin).await?;
    let new = accounts.hashes.hash(&change.new).await.map_err(Failure::from)?;
    let this = Arc::clone(accounts);
    accounts.writes.to_the_end(async move { this.replace_password(&caller, &verified, &new, &origin).await }).await
}

impl Accounts {
    async fn replace_password(
        &self,
        caller: &Caller,
        verified: &PasswordHash,
        new: &PasswordHash,
        origin: &Origin,
    ) -> Result<(), ChangePasswordError> {
        let user = &caller.user;
        let reason = PasswordChangeReason::Change;
        let event = self.outbox.password_changed(&user.user(), reason, self.clock.now(), origin);
        let change = Change {
            set: doc! { "passwordHash": new.expose() },
            tokens: TokenChange::DropAllBut(Purpose::EmailChangeUndo),
            end_sessions: Some(Some(caller.session)),
            events: vec![event],
            ..Change::default()
        };
        // The hash that was verified, not the version: a login in between is no reason
        // to ask for the password again.
        let decided_on = DecidedOn::Credentials { hash: verified, epoch: user.sessions.epoch };
        let commit = self.store.users.commit(user.id.into(), decided_on, change).await?;
        match after(commit)? {
            Next::Done(written) => {
                self.publish(&written);
                self.forget_ended_sessions(&written).await;
                Ok(())
            }
            // Another password, disabled, or all sessions ended: none of which this
            // caller may decide about any more.
            Next::DecideAgain => Err(ChangePasswordError::Gone),
        }
    }
}
