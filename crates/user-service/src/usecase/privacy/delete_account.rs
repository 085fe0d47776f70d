//! Deletes the caller's account: replaces it by a tombstone whose pending event announces the deletion. The relay
//! removes the tombstone when the event is published.

use std::sync::Arc;

use events::DeletedBy;
use service_kit::mongo::StoreError;

use crate::{
    domain::Password,
    hashing::PasswordHash,
    outbox::Origin,
    store::{Change, Commit},
    usecase::{
        account_service::AccountService,
        administration::last_admin::AdminWriteError,
        failure::Failure,
        sessions::{authenticate::Caller, reauthenticate::ReauthenticateError},
        write_outcome::MAX_ATTEMPTS,
    },
};

/// The password that confirms the deletion.
pub struct DeleteAccount {
    pub password: Password,
}

/// The reason why the account was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteAccountError {
    #[error("the password is wrong")]
    WrongPassword,
    #[error("the account has another version")]
    PreconditionFailed,
    #[error("the account is the last administrator")]
    LastAdmin,
    #[error("the account no longer exists, or its sessions have ended")]
    Gone,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<ReauthenticateError> for DeleteAccountError {
    fn from(error: ReauthenticateError) -> Self {
        match error {
            ReauthenticateError::WrongPassword => Self::WrongPassword,
            ReauthenticateError::Failure(failure) => Self::Failure(failure),
        }
    }
}

impl From<StoreError> for DeleteAccountError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

impl From<AdminWriteError> for DeleteAccountError {
    fn from(error: AdminWriteError) -> Self {
        match error {
            AdminWriteError::LastAdmin => Self::LastAdmin,
            AdminWriteError::Store(error) => error.into(),
        }
    }
}

/// Deletes the caller's account. `permits` is called with the version that the deletion is based on (`If-Match`).
///
/// # Errors
/// Returns [`DeleteAccountError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn delete_account(
    accounts: &Arc<AccountService>,
    caller: Caller,
    delete: DeleteAccount,
    permits: impl Fn(i64) -> bool + Send + 'static,
    origin: Origin,
) -> Result<(), DeleteAccountError> {
    if !permits(caller.user.version) {
        return Err(DeleteAccountError::PreconditionFailed);
    }
    let verified = accounts.reauthenticate(&caller, &delete.password, &origin).await?;
    let this = Arc::clone(accounts);
    accounts.writes.run_to_completion(async move { this.tombstone(caller, &verified, permits, &origin).await }).await
}

impl AccountService {
    /// Replaces the account by a tombstone. Requires the version that was read, so that the last mail goes to the
    /// address of that version.
    async fn tombstone(
        &self,
        caller: Caller,
        verified: &PasswordHash,
        permits: impl Fn(i64) -> bool,
        origin: &Origin,
    ) -> Result<(), DeleteAccountError> {
        let mut user = caller.user;
        for _ in 0..MAX_ATTEMPTS {
            if !permits(user.version) {
                return Err(DeleteAccountError::PreconditionFailed);
            }
            let now = self.clock.now();
            let id = user.id.into();
            let event = self.outbox.deleted(id, user.user().recipient(), DeletedBy::SelfService, now, origin);
            let change =
                Change { tombstone: true, ignore_pending_limit: true, events: vec![event], ..Change::default() };
            if let Commit::Tombstoned(pending) = self.commit_with_admin_list(&user, false, change).await? {
                self.publish_tombstone(id, now, pending);
                return Ok(());
            }
            let current = self.store.users.by_id(id).await?;
            user = current
                .filter(|user| {
                    user.is_session_valid(caller.session, caller.epoch)
                        && user.password_hash().is_ok_and(|hash| hash.expose() == verified.expose())
                })
                .ok_or(DeleteAccountError::Gone)?;
        }
        Err(Failure::too_many_conflicts().into())
    }
}
