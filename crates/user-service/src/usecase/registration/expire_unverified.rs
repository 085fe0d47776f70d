//! AccountService whose address was never verified go after their time. Whoever verifies at
//! the last moment wins: the deletion is decided on the version that was read.

use std::time::Duration;

use events::DeletedBy;
use jiff::{SignedDuration, Timestamp};
use service_kit::{fail_point, panics};

use crate::{
    outbox::Origin,
    store::{Change, Commit, Precondition, UserRecord},
    usecase::{account_service::AccountService, failure::Failure},
};

/// AccountService that are looked at in one go.
const BATCH_SIZE: i64 = 100;

/// What one go did.
#[derive(Debug, Clone, Copy)]
pub struct ExpiryBatch {
    pub deleted: usize,
    /// As many were found as are looked at: there may be more.
    pub more: bool,
}

/// Deletes accounts that are older than `after` and were never verified, the oldest
/// first, a bounded number. Admins and disabled accounts stay: the one would lock
/// people out, the other would set free whom somebody has shut out.
///
/// # Errors
/// When the store is away; what is left goes at the next turn.
pub async fn expire_unverified(accounts: &AccountService, after: Duration) -> Result<ExpiryBatch, Failure> {
    let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
    let before = accounts.clock.now().saturating_sub(after).unwrap_or(Timestamp::MIN);
    let found = accounts.store.users.unverified_before(before, BATCH_SIZE).await?;
    let more = i64::try_from(found.len()) == Ok(BATCH_SIZE);
    let mut deleted = 0;
    for user in &found {
        // A panic, which is logged and counted, leaves that account where it is.
        let expired = panics::catch_future("housekeeping", accounts.expire_account(user)).await;
        deleted += usize::from(expired.unwrap_or(Ok(false))?);
    }
    Ok(ExpiryBatch { deleted, more: more && deleted > 0 })
}

impl AccountService {
    /// False if the account is not what it was any more: the next turn decides again.
    async fn expire_account(&self, user: &UserRecord) -> Result<bool, Failure> {
        fail_point!("expiry.before_commit");
        let (id, now) = (user.id.into(), self.clock.now());
        // The contract knows `self` and `admin`; it was not the person.
        let by = DeletedBy::Admin;
        let event = self.outbox.deleted(id, user.user().recipient(), by, now, &Origin::system());
        let change = Change { tombstone: true, beyond_bound: true, events: vec![event], ..Change::default() };
        let commit = self.store.users.commit(id, Precondition::Version(user.version), change).await?;
        let Commit::Tombstoned(pending) = commit else { return Ok(false) };
        self.metrics.unverified_expired.inc();
        self.publish_tombstone(id, now, pending);
        Ok(true)
    }
}
