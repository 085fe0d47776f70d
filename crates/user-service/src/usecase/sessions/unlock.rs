//! Ends a lock early: clears all recorded failures of the account.

use std::sync::Arc;

use bson::{Bson, doc};
use service_kit::mongo::StoreError;
use uuid::Uuid;

use crate::{
    domain::User,
    outbox::Origin,
    store::{Change, Precondition},
    usecase::{
        account_service::AccountService,
        failure::Failure,
        write_outcome::{MAX_ATTEMPTS, WriteOutcome, write_outcome},
    },
};

/// The reason why the account was not unlocked.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    #[error("there is no such account")]
    NotFound,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for UnlockError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// Lets every client try again immediately. If no failures are recorded, nothing is written.
///
/// # Errors
/// Returns [`UnlockError`]. If the store was unavailable, some of the failures may be cleared already.
pub async fn unlock(accounts: &Arc<AccountService>, user: Uuid, origin: Origin) -> Result<User, UnlockError> {
    let this = Arc::clone(accounts);
    accounts.writes.run_to_completion(async move { this.unlock(user, &origin).await }).await
}

impl AccountService {
    async fn unlock(&self, id: Uuid, origin: &Origin) -> Result<User, UnlockError> {
        let mut has_failures = false;
        for _ in 0..MAX_ATTEMPTS {
            let user = self.store.users.by_id(id).await?.ok_or(UnlockError::NotFound)?;
            has_failures |= self.rate_limiter.clear_failures(&user).await?;
            if !has_failures && user.locked_until.is_none() {
                return Ok(user.user());
            }
            let change = Change {
                set: doc! { "lockedUntil": Bson::Null },
                events: vec![self.outbox.unlocked(id, self.clock.now(), origin)],
                ..Change::default()
            };
            let commit = self.store.users.commit(id, Precondition::Version(user.version), change).await?;
            if let WriteOutcome::Done(written) = write_outcome(commit)? {
                self.publish(&written);
                return Ok(written.user());
            }
        }
        Err(Failure::too_many_conflicts().into())
    }
}
