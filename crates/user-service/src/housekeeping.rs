//! Periodic cleanup: deletes old keys of idempotent registrations, puts administrators back into the list of
//! administrators after a crash, frees addresses and usernames whose reservation has ended, and deletes accounts that
//! were never verified. One replica at a time does it.

use std::{sync::Arc, time::Duration};

use service_kit::panics;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    problem::Problem,
    usecase::{AccountService, expire_unverified},
};

/// The delay after the start, when indexes and connections should exist.
const FIRST_DELAY: Duration = Duration::from_secs(5);
/// The interval, unless the expiry requires a shorter one.
const INTERVAL: Duration = Duration::from_secs(600);
const MIN_INTERVAL: Duration = Duration::from_secs(1);
const LEASE_NAME: &str = "housekeeping";

/// The task, and its name for the other replicas.
pub struct Housekeeping {
    pub accounts: Arc<AccountService>,
    pub holder: Uuid,
    /// The maximum age of an account whose address was never verified.
    pub unverified_expiry: Option<Duration>,
}

impl Housekeeping {
    /// Runs every ten minutes, or four times per expiry time, until `stop`. The lease is released after each turn, so
    /// that a replica with a shorter interval need not wait for one with a longer interval.
    pub async fn run(self, stop: CancellationToken) {
        let interval = interval_for(self.unverified_expiry);
        let mut pause = FIRST_DELAY.min(interval);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => pause = interval,
            }
            let turn = panics::catch_future("housekeeping", self.run_once(interval, &stop)).await;
            if let Err(error) = turn.unwrap_or_else(|panicked| Err(panicked.into())) {
                tracing::warn!(%error, "a housekeeping turn failed; it is repeated at the next turn");
            }
            if let Err(error) = self.accounts.store.leases.release(LEASE_NAME, self.holder).await {
                tracing::debug!(%error, "the lease was not released; it will expire");
            }
        }
    }

    async fn run_once(&self, lease: Duration, stop: &CancellationToken) -> Result<(), Problem> {
        if !self.acquire_lease(lease).await? {
            return Ok(());
        }
        let (store, now) = (&self.accounts.store, self.accounts.clock.now());
        let forgotten = store.users.delete_expired_idempotency_keys(now).await?;
        let freed = store.users.release_expired_reservations(now).await?;
        tracing::debug!(forgotten, freed, "removed idempotency keys and ended reservations of addresses and usernames");
        let admitted = store.admins.ensure_all_listed().await?;
        if admitted > 0 {
            tracing::info!(admitted, "administrators were put back into the list of administrators");
        }
        let Some(expiry) = self.unverified_expiry else { return Ok(()) };
        loop {
            let done = expire_unverified(&self.accounts, expiry).await?;
            if done.deleted > 0 {
                tracing::info!(deleted = done.deleted, "expired accounts that were never verified were deleted");
            }
            if !done.more || stop.is_cancelled() || !self.acquire_lease(lease).await? {
                return Ok(());
            }
        }
    }

    async fn acquire_lease(&self, lease: Duration) -> Result<bool, Problem> {
        Ok(self.accounts.store.leases.acquire(LEASE_NAME, self.holder, lease).await?)
    }
}

fn interval_for(expiry: Option<Duration>) -> Duration {
    expiry.map_or(INTERVAL, |expiry| (expiry / 4).clamp(MIN_INTERVAL, INTERVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_expiry_means_shorter_intervals() {
        assert_eq!(interval_for(None), INTERVAL);
        assert_eq!(interval_for(Some(Duration::from_secs(7 * 86_400))), INTERVAL);
        assert_eq!(interval_for(Some(Duration::from_secs(60))), Duration::from_secs(15));
        assert_eq!(interval_for(Some(Duration::from_secs(2))), MIN_INTERVAL);
    }
}
