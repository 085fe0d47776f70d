//! Undoes a change of the password, the second factor or the recovery codes, through the link in its notice. An
//! attacker may be signed in and know the password, so all sessions end.

use std::sync::Arc;

use events::{UndoneChange, sealing::Purpose};
use service_kit::mongo::StoreError;

use crate::{
    domain::{KeyReservation, OneTimeToken, undo_links},
    outbox::Origin,
    store::{Change, Precondition, UsedTokenRecord, binary},
    usecase::{
        account_service::AccountService,
        failure::Failure,
        write_outcome::{MAX_ATTEMPTS, WriteOutcome, write_outcome},
    },
};

/// The reason why the change was not undone.
#[derive(Debug, thiserror::Error)]
pub enum UndoChangeError {
    /// The token is unknown, used or expired, or its mailbox no longer belongs to the account; the cases are not
    /// distinguished.
    #[error("the token is invalid")]
    TokenInvalid,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for UndoChangeError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// Redeems the token and undoes the change that it was issued for.
///
/// # Errors
/// Returns [`UndoChangeError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn undo_change(
    accounts: &Arc<AccountService>,
    token: &str,
    origin: Origin,
) -> Result<UndoneChange, UndoChangeError> {
    accounts.rate_limiter.charge_request(&origin).await?;
    let token = OneTimeToken::parse(token).ok_or(UndoChangeError::TokenInvalid)?;
    let this = Arc::clone(accounts);
    accounts.writes.run_to_completion(async move { this.redeem_undo_link(&token, &origin).await }).await
}

impl AccountService {
    async fn redeem_undo_link(&self, token: &OneTimeToken, origin: &Origin) -> Result<UndoneChange, UndoChangeError> {
        for _ in 0..MAX_ATTEMPTS {
            let now = self.clock.now();
            let holder = self.find_undo_link_holder(token, now).await?;
            let (record, link) = holder.ok_or(UndoChangeError::TokenInvalid)?;
            let undone = match link.purpose {
                Purpose::PasswordChangeUndo => UndoneChange::Password,
                Purpose::TotpUndo => UndoneChange::Totp,
                Purpose::RecoveryCodesUndo => UndoneChange::RecoveryCodes,
                Purpose::EmailVerification
                | Purpose::PasswordReset
                | Purpose::EmailChange
                | Purpose::EmailChangeUndo => return Err(UndoChangeError::TokenInvalid),
            };
            let changed_at = |reservation: &KeyReservation| self.address_left_at(&record, reservation);
            let undo =
                undo_links::plan_link_undo(&link, record.email_history(), changed_at, record.factor_since(), now);
            let undo = undo.ok_or(UndoChangeError::TokenInvalid)?;
            let (id, version) = (record.id.into(), record.version);
            let undo_event = |user: &_| Some(self.outbox.change_undone(user, undone, now, origin));
            let used_tokens = vec![UsedTokenRecord::new(binary(&link.digest), link.purpose, &link.to, now)];
            let change = Change { used_tokens, ..self.undo_write(record, undo, link.digest, undo_event, now, origin) };
            let commit = self.store.users.commit(id, Precondition::Version(version), change).await?;
            if let WriteOutcome::Done(written) = write_outcome(commit)? {
                self.publish(&written);
                self.delete_ended_sessions(&written).await;
                return Ok(undone);
            }
        }
        Err(Failure::too_many_conflicts().into())
    }
}
