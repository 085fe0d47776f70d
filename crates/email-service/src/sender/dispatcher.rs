//! Claims due mails, and starts a send for each.

use std::{sync::Arc, time::Duration};

use service_kit::{
    backoff::{self, jittered},
    fail_point,
    mongo::StoreError,
};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{delivery::Sender, send_tasks::SendTasks};
use crate::ledger::MailJob;

/// The mean time between two queries of an idle dispatcher: retries become due without a signal.
const POLL_INTERVAL: Duration = Duration::from_millis(800);

/// The largest number of mails claimed together. More would only wait: a claim takes a millisecond
/// or two.
const MAX_BATCH: usize = 32;

/// Claims mails and starts their sends.
pub struct Dispatcher {
    sends: SendTasks,
    /// Signalled when mails were written to the ledger.
    wake: Arc<Notify>,
}

impl Dispatcher {
    #[must_use]
    pub fn new(sends: SendTasks, wake: Arc<Notify>) -> Self {
        Self { sends, wake }
    }

    /// Claims mails and starts sends until `stop`; started sends go on.
    ///
    /// The first mail is claimed alone, in one round trip; while mails are found, as many as there
    /// are free permits are claimed together.
    pub async fn run(self, stop: CancellationToken) {
        let (mut failures, mut batch_size) = (0, 1);
        while let Some(permits) = self.acquire_permits(batch_size, &stop).await {
            self.sends.release_lost_claims().await;
            let claimed = self.claim(permits.num_permits()).await;
            self.sends.set_caught_up(claimed.as_ref().is_ok_and(Vec::is_empty));
            match claimed {
                Ok(jobs) if jobs.is_empty() => {
                    (failures, batch_size) = (0, 1);
                    drop(permits);
                    self.wait_for_work(&stop).await;
                }
                Ok(jobs) => {
                    (failures, batch_size) = (0, MAX_BATCH);
                    fail_point!("sender.after_claim");
                    self.sends.start(jobs, permits);
                }
                Err(error) => {
                    drop(permits);
                    failures += 1;
                    // A batch claim reads what it has claimed: this read can fail by itself.
                    if error.outcome_unknown() || batch_size > 1 {
                        self.sends.record_lost_claim();
                    }
                    self.pause_after_failure(&error, failures, &stop).await;
                }
            }
        }
        // Other instances can send these mails at once, without waiting for the leases to end.
        self.sends.release_lost_claims().await;
    }

    /// Returns `None` after a stop.
    async fn acquire_permits(&self, batch_size: usize, stop: &CancellationToken) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            permits = self.sends.acquire_permits(batch_size) => permits,
        }
    }

    async fn claim(&self, batch_size: usize) -> Result<Vec<MailJob>, StoreError> {
        let Sender { ledger, lease, .. } = self.sends.sender();
        if batch_size > 1 {
            return ledger.claim_batch(batch_size, *lease).await;
        }
        Ok(ledger.claim(*lease).await?.into_iter().collect())
    }

    async fn wait_for_work(&self, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.wake.notified() => {}
            () = sleep(jittered(POLL_INTERVAL)) => {}
        }
    }

    async fn pause_after_failure(&self, error: &StoreError, failures: u32, stop: &CancellationToken) {
        if failures == 1 {
            tracing::warn!(%error, "no mails can be claimed: trying again");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = backoff::pause(failures, Duration::from_millis(50), Duration::from_secs(2)) => {}
        }
    }
}
