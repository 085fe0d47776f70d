//! What nobody waits for: keys of idempotent registrations are forgotten after their
//! time, admins whom a crash has left out of the list are put back, addresses that
//! accounts have left are given free. One replica at a time does it.

use std::time::Duration;

use service_kit::{Clock, mongo::StoreError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::store::Store;

/// After a start: indexes and connections are there then, if they can be.
const FIRST: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_secs(600);
const LEASE: &str = "housekeeping";

/// The task, and who it is to the other replicas.
pub struct Housekeeping {
    pub store: Store,
    pub clock: Clock,
    pub holder: Uuid,
}

impl Housekeeping {
    /// Every ten minutes, until `stop`; the lease goes to the next replica then.
    pub async fn run(self, stop: CancellationToken) {
        let mut pause = FIRST;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => pause = EVERY,
            }
            if let Err(error) = self.once().await {
                tracing::warn!(%error, "housekeeping waits for its next turn");
            }
        }
        if let Err(error) = self.store.leases.release(LEASE, self.holder).await {
            tracing::debug!(%error, "the lease ends by itself");
        }
    }

    async fn once(&self) -> Result<(), StoreError> {
        if self.store.leases.hold(LEASE, self.holder, EVERY).await? {
            let now = self.clock.now();
            let forgotten = self.store.users.forget_idempotency_keys(now).await?;
            let freed = self.store.users.free_addresses(now).await?;
            tracing::debug!(forgotten, freed, "idempotency keys, and accounts with addresses that are free now");
            let admitted = self.store.admins.readmit_all().await?;
            if admitted > 0 {
                tracing::info!(admitted, "admins put back into the list of admins");
            }
        }
        Ok(())
    }
}
