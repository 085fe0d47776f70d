//! Deletes accounts whose address was not verified in time. A verification at the last moment wins, because the
//! deletion requires the version that was read.

use std::time::Duration;

use events::{DeletedBy, UserDeleted};
use jiff::{SignedDuration, Timestamp};
use service_kit::{fail_point, panics};

use crate::{
    outbox::Origin,
    problem::Problem,
    store::{Change, Commit, Precondition, UserRecord},
    usecase::account_service::AccountService,
};

/// The maximum number of accounts per batch.
const BATCH_SIZE: i64 = 100;

/// The result of one batch.
#[derive(Debug, Clone, Copy)]
pub struct ExpiryBatch {
    pub deleted: usize,
    /// Whether there may be more such accounts.
    pub more: bool,
}

/// Deletes one batch of accounts that are older than `after` and were never verified, the oldest first. Administrators
/// and disabled accounts stay: deleting an administrator could leave the service without one, and deleting a disabled
/// account would allow its user to register again. An invited account stays as long as its link works.
///
/// # Errors
/// Returns an error if the store is unavailable. The remaining accounts are deleted at the next turn.
pub async fn expire_unverified(accounts: &AccountService, after: Duration) -> Result<ExpiryBatch, Problem> {
    let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
    let now = accounts.clock.now();
    let before = now.saturating_sub(after).unwrap_or(Timestamp::MIN);
    let found = accounts.store.users.unverified_before(before, now, BATCH_SIZE).await?;
    let more = i64::try_from(found.len()) == Ok(BATCH_SIZE);
    let mut deleted = 0;
    for user in &found {
        // A panic is logged and counted, and leaves only that account undeleted.
        let expired = panics::catch_future("housekeeping", accounts.expire_account(user)).await;
        deleted += usize::from(expired.unwrap_or(Ok(false))?);
    }
    Ok(ExpiryBatch { deleted, more: more && deleted > 0 })
}

impl AccountService {
    /// Deletes the account. Returns `false` if it has changed; the next turn decides again.
    async fn expire_account(&self, user: &UserRecord) -> Result<bool, Problem> {
        fail_point!("expiry.before_commit");
        // The contract has only `self` and `admin`, and it was not the user.
        let payload = UserDeleted { user_id: user.id.into(), by: DeletedBy::Admin, recipient: user.user().recipient() };
        let change = Change::tombstone(self.outbox.event(self.clock.now(), &Origin::system(), payload));
        let commit = self.writer.write(user, Precondition::Version(user.version), change).await?;
        let expired = matches!(commit, Commit::Tombstoned(_));
        self.metrics.unverified_expired.inc_by(expired.into());
        Ok(expired)
    }
}
