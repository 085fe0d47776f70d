//! Changes the password: verifies the current one, and requires in the write that the account still has it. The same
//! write ends all other sessions; the calling session stays.

use std::sync::Arc;

use bson::doc;
use events::{PasswordChangeReason, sealing::Purpose};
use service_kit::mongo::StoreError;

use super::password_validation::NewPasswordError;
use crate::{
    domain::{Invalid, Password, UserStatus},
    hashing::PasswordHash,
    outbox::Origin,
    store::{Change, EndSessions, Precondition, TokenChange},
    usecase::{
        account_service::AccountService,
        failure::Failure,
        mailed_links::undo_link::NewUndoLink,
        rate_limit::account_writes::AccountWrite,
        sessions::{authenticate::Caller, reauthenticate::ReauthenticateError},
        write_outcome::{MAX_ATTEMPTS, WriteOutcome, write_outcome},
    },
};

/// The current password, and the new one, which is not validated yet.
pub struct ChangePassword {
    pub current: Password,
    pub new: Password,
}

/// The reason why the password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    #[error("the password is wrong")]
    WrongPassword,
    #[error("the new password is not allowed")]
    PasswordRefused(Vec<Invalid>),
    #[error("the account has another version")]
    PreconditionFailed,
    #[error("the account no longer exists, or its sessions have ended")]
    Gone,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<ReauthenticateError> for ChangePasswordError {
    fn from(error: ReauthenticateError) -> Self {
        match error {
            ReauthenticateError::WrongPassword => Self::WrongPassword,
            ReauthenticateError::Failure(failure) => Self::Failure(failure),
        }
    }
}

impl From<StoreError> for ChangePasswordError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// Changes the password of the caller. `permits` is called with the version that the change is based on (`If-Match`).
///
/// # Errors
/// Returns [`ChangePasswordError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn change_password(
    accounts: &Arc<AccountService>,
    caller: Caller,
    change: ChangePassword,
    permits: impl Fn(i64) -> bool + Send + 'static,
    origin: Origin,
) -> Result<(), ChangePasswordError> {
    if !permits(caller.user.version) {
        return Err(ChangePasswordError::PreconditionFailed);
    }
    let charges = accounts.rate_limiter.charge_account_writes(&[AccountWrite::Password], caller.user.id.into()).await?;
    let proof = accounts.verify_and_hash(&caller, change, &origin);
    let (verified, new) = accounts.rate_limiter.refund_unless_verified(charges, proof).await?;
    let this = Arc::clone(accounts);
    accounts
        .writes
        .run_to_completion(async move { this.replace_password(caller, &verified, &new, permits, &origin).await })
        .await
}

impl AccountService {
    /// Returns the hash that the current password was verified against, and the hash of the new one. A refused new
    /// password counts as an attempt of this session, because validating it takes work.
    async fn verify_and_hash(
        &self,
        caller: &Caller,
        change: ChangePassword,
        origin: &Origin,
    ) -> Result<(PasswordHash, PasswordHash), ChangePasswordError> {
        let attempt = self.rate_limiter.charge_password(caller.user.id.into(), caller.session).await?;
        let new = match self.passwords.validate(&self.hashes, change.new, &caller.user.context_words()).await {
            Ok(new) => new,
            Err(NewPasswordError::Refused(reasons)) => return Err(ChangePasswordError::PasswordRefused(reasons)),
            Err(NewPasswordError::Failure(failure)) => {
                self.rate_limiter.refund_attempt(&attempt).await;
                return Err(failure.into());
            }
        };
        let verified = self.verify_charged_password(caller, &change.current, &attempt, origin).await?;
        Ok((verified, self.hashes.hash(&new).await.map_err(Failure::from)?))
    }

    async fn replace_password(
        &self,
        caller: Caller,
        verified: &PasswordHash,
        new: &PasswordHash,
        permits: impl Fn(i64) -> bool,
        origin: &Origin,
    ) -> Result<(), ChangePasswordError> {
        let mut user = caller.user;
        for _ in 0..MAX_ATTEMPTS {
            if !permits(user.version) {
                return Err(ChangePasswordError::PreconditionFailed);
            }
            let now = self.clock.now();
            let undo = self.new_undo_link(&user, Purpose::PasswordChangeUndo, now);
            let token_and_expiry = undo.as_ref().map(NewUndoLink::token_and_expiry);
            let reason = PasswordChangeReason::Change;
            let event = self.outbox.password_changed(&user.user(), reason, token_and_expiry, now, origin);
            let mut set = doc! { "passwordHash": new.expose() };
            set.extend(undo.as_ref().map(NewUndoLink::fields).unwrap_or_default());
            let change = Change {
                set,
                tokens: TokenChange::DropAllBut(Purpose::EmailChangeUndo),
                end_sessions: EndSessions::AllBut(caller.session),
                events: vec![event],
                ..Change::default()
            };
            let commit = self.store.users.commit(user.id.into(), Precondition::Version(user.version), change).await?;
            if let WriteOutcome::Done(written) = write_outcome(commit)? {
                self.publish(&written);
                self.delete_ended_sessions(&written).await;
                return Ok(());
            }
            // After a login in between the password need not be entered again. But if the password was changed, the
            // account disabled or the sessions ended, this caller may no longer decide.
            let current = self.store.users.by_id(user.id.into()).await?;
            user = current
                .filter(|user| {
                    user.status == UserStatus::Active
                        && user.is_session_valid(caller.session, caller.epoch)
                        && user.password_hash().is_ok_and(|hash| hash.expose() == verified.expose())
                })
                .ok_or(ChangePasswordError::Gone)?;
        }
        Err(Failure::too_many_conflicts().into())
    }
}
