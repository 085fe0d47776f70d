//! What nobody waits for: keys of idempotent registrations are forgotten after their
//! time, admins whom a crash has left out of the list are put back. One replica at a time
//! does it.

use std::time::Duration;

use service_kit::{Clock, mongo::StoreError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::store::Store;

const EVERY: Duration = Duration::from_secs(600);
const LEASE: &str = "housekeeping";

/// The task, and who it is to the other replicas.
pub struct Housekeeping {
    pub store: Store,
    pub clock: Clock,
    pub holder: Uuid,
}

impl Housekeeping {
    /// Every ten minutes, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            if let Err(error) = self.once().await {
                tracing::warn!(%error, "housekeeping waits for its next turn");
            }
        }
    }

    async fn once(&self) -> Result<(), StoreError> {
        if self.store.leases.hold(LEASE, self.holder, EVERY).await? {
            let forgotten = self.store.users.forget_idempotency_keys(self.clock.now()).await?;
            tracing::debug!(forgotten, "idempotency keys");
            let admitted = self.store.admins.readmit_all().await?;
            if admitted > 0 {
                tracing::info!(admitted, "admins put back into the list of admins");
            }
        }
        Ok(())
    }
}
