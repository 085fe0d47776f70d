//! Taking a change of the address back, by the link that the old address got. The attacker
//! may know the password, be signed in, and have added a second factor since: so all sessions
//! end, the password is unusable, the factor goes, and a reset begins, in the same write.

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
        mailed_links::one_time_tokens::used_links,
        retry::{MAX_ATTEMPTS, WriteOutcome, write_outcome},
    },
};

/// Why the address is as it was.
#[derive(Debug, thiserror::Error)]
pub enum UndoEmailChangeError {
    /// Unknown, used, expired, or the change was taken back with an earlier one: all alike.
    #[error("the token is not valid")]
    TokenInvalid,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for UndoEmailChangeError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// Uses the token up; the old address is in force again.
///
/// # Errors
/// [`UndoEmailChangeError`]; nothing was changed, except after an unavailable store.
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
            let left = spent.reservation();
            let changed_at = self.address_left_at(&record, &left);
            let undo = undo_links::undo_address(record.addresses(), &left, changed_at, record.factor_since(), now);
            let undo = undo.ok_or(UndoEmailChangeError::TokenInvalid)?;
            let used_tokens = used_links(&record, &spent, &[], now);
            let (id, version) = (record.id.into(), record.version);
            // Its own event is among those of any undo that restores an address.
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
