//! Claims due mails, and starts a send for each: at most `sender.concurrency` at the same time.

use std::{collections::HashSet, sync::Arc, time::Duration};

use parking_lot::Mutex;
use service_kit::{
    Lifecycle, Stage,
    backoff::{self, jittered},
    fail_point,
    mongo::StoreError,
};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::delivery::Sender;
use crate::{
    ledger::{Ledger, MailJob},
    mailer::server_pool::Pool,
};

/// The mean time between two queries of an idle dispatcher: retries become due without a signal.
const POLL_INTERVAL: Duration = Duration::from_millis(800);

/// The largest number of mails claimed together. More would only wait: a claim takes a millisecond
/// or two.
const MAX_BATCH: usize = 32;

/// The time between two checks for lost claims: a claim may take effect after the first check.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Claims mails and starts their sends.
pub struct Dispatcher {
    ledger: Ledger,
    pool: Pool,
    sender: Arc<Sender>,
    lease: Duration,
    free: Arc<Semaphore>,
    /// The ids of the mails that sends of this process hold.
    in_hand: Arc<Mutex<HashSet<String>>>,
    /// Signalled when mails were written to the ledger.
    wake: Arc<Notify>,
    lifecycle: Lifecycle,
}

/// Claims whose answers were lost: this process may hold mails without knowing it.
#[derive(Debug, Default)]
struct LostClaims {
    /// The time of the last lost claim.
    last: Option<Instant>,
    /// The time of the last release after it.
    released: Option<Instant>,
}

impl LostClaims {
    fn record_loss(&mut self, now: Instant) {
        (self.last, self.released) = (Some(now), None);
    }

    fn record_release(&mut self, now: Instant) {
        self.released = Some(now);
    }

    /// Returns whether to check for unknown claims: until the first check succeeds, then at
    /// intervals until no lease of the lost claim can be left.
    fn is_check_due(&mut self, now: Instant, lease: Duration) -> bool {
        let (Some(last), Some(released)) = (self.last, self.released) else { return self.last.is_some() };
        if now.duration_since(last) > lease {
            *self = Self::default();
            return false;
        }
        now.duration_since(released) >= CHECK_INTERVAL
    }
}

impl Dispatcher {
    #[must_use]
    pub fn new(sender: Arc<Sender>, concurrency: usize, wake: Arc<Notify>, lifecycle: Lifecycle) -> Self {
        Self {
            ledger: sender.ledger.clone(),
            pool: sender.pool.clone(),
            lease: sender.lease,
            sender,
            free: Arc::new(Semaphore::new(concurrency)),
            in_hand: Arc::default(),
            wake,
            lifecycle,
        }
    }

    /// Claims mails and starts sends until `stop`; started sends go on.
    ///
    /// The first mail is claimed alone, in one round trip; while mails are found, as many as there
    /// are free permits are claimed together.
    pub async fn run(self, stop: CancellationToken) {
        let (mut failures, mut batch_size) = (0, 1);
        let mut lost_claims = LostClaims::default();
        while let Some(mut permits) = self.acquire_permits(batch_size, &stop).await {
            self.release_lost_claims(&mut lost_claims).await;
            match self.claim(permits.num_permits()).await {
                Ok(jobs) if jobs.is_empty() => {
                    (failures, batch_size) = (0, 1);
                    drop(permits);
                    self.wait_for_work(&stop).await;
                }
                Ok(jobs) => {
                    (failures, batch_size) = (0, MAX_BATCH);
                    fail_point!("sender.after_claim");
                    for (job, permit) in jobs.into_iter().zip(std::iter::from_fn(|| permits.split(1))) {
                        self.spawn_send(job, permit);
                    }
                }
                Err(error) => {
                    drop(permits);
                    failures += 1;
                    // A batch claim reads what it has claimed: this read can fail by itself.
                    if error.outcome_unknown() || batch_size > 1 {
                        lost_claims.record_loss(Instant::now());
                    }
                    self.pause_after_failure(&error, failures, &stop).await;
                }
            }
        }
        // Other instances can send these mails at once, without waiting for the leases to end.
        self.release_lost_claims(&mut lost_claims).await;
    }

    /// Waits until a send can start: a free permit, and a server. Returns all free permits, at most
    /// `batch_size`, or `None` after a stop.
    async fn acquire_permits(&self, batch_size: usize, stop: &CancellationToken) -> Option<OwnedSemaphorePermit> {
        let acquire_permits = async {
            let mut permits = Arc::clone(&self.free).acquire_owned().await.ok()?;
            self.pool.wait_until_available().await;
            while permits.num_permits() < batch_size
                && let Ok(permit) = Arc::clone(&self.free).try_acquire_owned()
            {
                permits.merge(permit);
            }
            Some(permits)
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            permits = acquire_permits => permits,
        }
    }

    async fn claim(&self, batch_size: usize) -> Result<Vec<MailJob>, StoreError> {
        if batch_size > 1 {
            return self.ledger.claim_batch(batch_size, self.lease).await;
        }
        Ok(self.ledger.claim(self.lease).await?.into_iter().collect())
    }

    async fn wait_for_work(&self, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.wake.notified() => {}
            () = sleep(jittered(POLL_INTERVAL)) => {}
        }
    }

    fn spawn_send(&self, job: MailJob, permit: OwnedSemaphorePermit) {
        let (sender, in_hand) = (Arc::clone(&self.sender), Arc::clone(&self.in_hand));
        in_hand.lock().insert(job.id.clone());
        let span = tracing::info_span!("mail", id = job.id, traceparent = job.trace_parent);
        let send = async move {
            sender.send(&job).await;
            in_hand.lock().remove(&job.id);
            drop(permit);
        };
        self.lifecycle.spawn(Stage::Intake, "send", |_| send.instrument(span));
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

    /// Requeues the mails of lost claims, which would otherwise wait until their lease ends.
    /// Repeated until it succeeds.
    async fn release_lost_claims(&self, lost_claims: &mut LostClaims) {
        if !lost_claims.is_check_due(Instant::now(), self.lease) {
            return;
        }
        let in_hand: Vec<String> = self.in_hand.lock().iter().cloned().collect();
        match self.ledger.release_lost_claims(&in_hand).await {
            Ok(released) => {
                lost_claims.record_release(Instant::now());
                if released > 0 {
                    tracing::info!(released, "mails whose claim was not answered are due again");
                }
            }
            Err(error) => tracing::debug!(%error, "unknown claims cannot be released yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_claims_are_released_until_no_lease_can_be_left() {
        let lease = Duration::from_secs(90);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut lost_claims = LostClaims::default();
        assert!(!lost_claims.is_check_due(at(0), lease));
        lost_claims.record_loss(at(0));
        // The database is unreachable: the check is repeated for as long as it takes.
        assert!(lost_claims.is_check_due(at(0), lease) && lost_claims.is_check_due(at(200), lease));
        lost_claims.record_release(at(1));
        assert!(!lost_claims.is_check_due(at(1), lease));
        assert!(lost_claims.is_check_due(at(2), lease), "a claim may take effect late");
        lost_claims.record_release(at(2));
        lost_claims.record_loss(at(2));
        assert!(lost_claims.is_check_due(at(2), lease), "immediately after another lost claim");
        lost_claims.record_release(at(3));
        assert!(lost_claims.is_check_due(at(92), lease));
        assert!(!lost_claims.is_check_due(at(93), lease) && !lost_claims.is_check_due(at(99), lease));
    }
}
