//! Undoes a change of the email address, through the link that was mailed to the old address. An attacker may know the
//! password, be signed in, and have added a second factor since. Therefore the same write ends all sessions, makes the
//! password unusable, removes the second factor, and starts a password reset.

use std::sync::Arc;

use events::sealing::Purpose;
use service_kit::mongo::StoreError;

use crate::{
    domain::{OneTimeToken, undo_links},
    outbox::Origin,
    store::{Change, Precondition},
    usecase::{
        account_service::AccountService,
        failure::Failure,
        mailed_links::link_validity::used_links,
        write_outcome::{MAX_ATTEMPTS, WriteOutcome, write_outcome},
    },
};

/// The reason why the change was not undone.
#[derive(Debug, thiserror::Error)]
pub enum UndoEmailChangeError {
    /// The token is unknown, used or expired, or the change was undone through an earlier link; the cases are not
    /// distinguished.
    #[error("the token is invalid")]
    TokenInvalid,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for UndoEmailChangeError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// Redeems the token: the old address is the account's address again.
///
/// # Errors
/// Returns [`UndoEmailChangeError`]. Nothing was changed, unless the store was unavailable: then the outcome is
/// unknown.
pub async fn undo_email_change(
    accounts: &Arc<AccountService>,
    token: &str,
    origin: Origin,
) -> Result<(), UndoEmailChangeError> {
    accounts.rate_limiter.charge_request(&origin).await?;
    let token = OneTimeToken::parse(token).ok_or(UndoEmailChangeError::TokenInvalid)?;
    let this = Arc::clone(accounts);
    accounts.writes.run_to_completion(async move { this.redeem_undo_token(&token, &origin).await }).await
}

impl AccountService {
    async fn redeem_undo_token(&self, token: &OneTimeToken, origin: &Origin) -> Result<(), UndoEmailChangeError> {
        for _ in 0..MAX_ATTEMPTS {
            let now = self.clock.now();
            let holder = self.find_token_holder(token, Purpose::EmailChangeUndo, now).await?;
            let (record, spent) = holder.ok_or(UndoEmailChangeError::TokenInvalid)?;
            let reservation = spent.reservation();
            let changed_at = self.address_left_at(&record, &reservation);
            let undo = undo_links::plan_email_undo(
                record.email_history(),
                &reservation,
                changed_at,
                record.factor_since(),
                now,
            );
            let undo = undo.ok_or(UndoEmailChangeError::TokenInvalid)?;
            let used_tokens = used_links(&record, &spent, &[], now);
            let (id, version) = (record.id.into(), record.version);
            // The events of an undo that restores an address already contain the one for this undo.
            let change = self.undo_write(record, undo, token.digest(), |_| None, now, origin);
            let change = Change { used_tokens, ..change };
            let commit = self.store.users.commit(id, Precondition::Version(version), change).await?;
            if let WriteOutcome::Done(written) = write_outcome(commit)? {
                self.publish(&written);
                self.delete_ended_sessions(&written).await;
                return Ok(());
            }
        }
        Err(Failure::too_many_conflicts().into())
    }
}
