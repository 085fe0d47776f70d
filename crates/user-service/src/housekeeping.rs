//! What nobody waits for: keys of idempotent registrations are forgotten after their
//! time, admins whom a crash has left out of the list are put back, addresses
//! and usernames that accounts have left are given free, accounts that were never verified expire. One
//! replica at a time does it.

use std::{sync::Arc, time::Duration};

use service_kit::panics;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::usecase::{AccountService, Failure, expire_unverified};

/// After a start: indexes and connections are there then, if they can be.
const FIRST: Duration = Duration::from_secs(5);
/// How often, where nothing is to be done sooner.
const EVERY: Duration = Duration::from_secs(600);
const AT_LEAST: Duration = Duration::from_secs(1);
const LEASE: &str = "housekeeping";

/// The task, and who it is to the other replicas.
pub struct Housekeeping {
    pub accounts: Arc<AccountService>,
    pub holder: Uuid,
    /// How old an account may get whose address was never verified.
    pub unverified_expiry: Option<Duration>,
}

impl Housekeeping {
    /// Every ten minutes, or four times in the time after which accounts expire, until
    /// `stop`. The lease is given back after each turn: a replica that looks more often
    /// does not wait for one that does not.
    pub async fn run(self, stop: CancellationToken) {
        let every = interval(self.unverified_expiry);
        let mut pause = FIRST.min(every);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => pause = every,
            }
            let turn = panics::catch_future("housekeeping", self.once(every, &stop)).await;
            if let Err(error) = turn.unwrap_or_else(|panicked| Err(Failure::Internal(panicked.into()))) {
                tracing::warn!(%error, "housekeeping waits for its next turn");
            }
            if let Err(error) = self.accounts.store.leases.release(LEASE, self.holder).await {
                tracing::debug!(%error, "the lease ends by itself");
            }
        }
    }

    async fn once(&self, lease: Duration, stop: &CancellationToken) -> Result<(), Failure> {
        if !self.holds(lease).await? {
            return Ok(());
        }
        let (store, now) = (&self.accounts.store, self.accounts.clock.now());
        let forgotten = store.users.delete_expired_idempotency_keys(now).await?;
        let freed = store.users.release_expired_reservations(now).await?;
        tracing::debug!(
            forgotten,
            freed,
            "idempotency keys, and accounts with addresses or usernames that are free now"
        );
        let admitted = store.admins.ensure_all_listed().await?;
        if admitted > 0 {
            tracing::info!(admitted, "admins put back into the list of admins");
        }
        let Some(expiry) = self.unverified_expiry else { return Ok(()) };
        loop {
            let done = expire_unverified(&self.accounts, expiry).await?;
            if done.deleted > 0 {
                tracing::info!(deleted = done.deleted, "accounts that were never verified have expired");
            }
            if !done.more || stop.is_cancelled() || !self.holds(lease).await? {
                return Ok(());
            }
        }
    }

    async fn holds(&self, lease: Duration) -> Result<bool, Failure> {
        Ok(self.accounts.store.leases.acquire(LEASE, self.holder, lease).await?)
    }
}

fn interval(expiry: Option<Duration>) -> Duration {
    expiry.map_or(EVERY, |expiry| (expiry / 4).clamp(AT_LEAST, EVERY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_expiry_is_looked_after_more_often() {
        assert_eq!(interval(None), EVERY);
        assert_eq!(interval(Some(Duration::from_secs(7 * 86_400))), EVERY);
        assert_eq!(interval(Some(Duration::from_secs(60))), Duration::from_secs(15));
        assert_eq!(interval(Some(Duration::from_secs(2))), AT_LEAST);
    }
}
