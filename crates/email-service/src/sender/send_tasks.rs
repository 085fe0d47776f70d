//! The sends in progress: at most `sender.concurrency` at the same time, each in a task of its own.

use std::{collections::HashSet, sync::Arc, time::Duration};

use parking_lot::Mutex;
use service_kit::{Lifecycle, Stage};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tracing::Instrument as _;

use super::delivery::Sender;
use crate::ledger::MailJob;

/// The time between two checks for lost claims: a claim may take effect after the first check.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The sends of this process. Clones share them.
#[derive(Clone)]
pub struct SendTasks(Arc<SendState>);

struct SendState {
    sender: Arc<Sender>,
    free: Arc<Semaphore>,
    /// The ids of the mails that sends of this process hold.
    in_hand: Mutex<HashSet<String>>,
    lost_claims: Mutex<LostClaims>,
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

impl SendTasks {
    #[must_use]
    pub fn new(sender: Arc<Sender>, concurrency: usize, lifecycle: Lifecycle) -> Self {
        Self(Arc::new(SendState {
            sender,
            free: Arc::new(Semaphore::new(concurrency)),
            in_hand: Mutex::default(),
            lost_claims: Mutex::default(),
            lifecycle,
        }))
    }

    pub(super) fn sender(&self) -> &Sender {
        &self.0.sender
    }

    /// Waits until a send can start: a free permit, and a server. Returns all free permits, at most
    /// `batch_size`.
    pub(super) async fn acquire_permits(&self, batch_size: usize) -> Option<OwnedSemaphorePermit> {
        let mut permits = Arc::clone(&self.0.free).acquire_owned().await.ok()?;
        self.0.sender.pool.wait_until_available().await;
        while permits.num_permits() < batch_size
            && let Ok(permit) = Arc::clone(&self.0.free).try_acquire_owned()
        {
            permits.merge(permit);
        }
        Some(permits)
    }

    /// Starts to send mails that this process has claimed, one with each of the permits.
    pub(super) fn start(&self, jobs: Vec<MailJob>, mut permits: OwnedSemaphorePermit) {
        for (job, permit) in jobs.into_iter().zip(std::iter::from_fn(|| permits.split(1))) {
            self.0.in_hand.lock().insert(job.id.clone());
            let state = Arc::clone(&self.0);
            let span = tracing::info_span!("mail", id = job.id, traceparent = job.trace_parent);
            let send = async move {
                state.sender.send(&job).await;
                state.in_hand.lock().remove(&job.id);
                drop(permit);
            };
            self.0.lifecycle.spawn(Stage::Intake, "send", |_| send.instrument(span));
        }
    }

    /// Records that the answer to a claim was lost.
    pub(super) fn record_lost_claim(&self) {
        self.0.lost_claims.lock().record_loss(Instant::now());
    }

    /// Requeues the mails of lost claims, which would otherwise wait until their lease ends. Call it
    /// regularly: it is repeated until it succeeds.
    pub(super) async fn release_lost_claims(&self) {
        let Sender { ledger, lease, .. } = self.sender();
        if !self.0.lost_claims.lock().is_check_due(Instant::now(), *lease) {
            return;
        }
        let in_hand: Vec<String> = self.0.in_hand.lock().iter().cloned().collect();
        match ledger.release_lost_claims(&in_hand).await {
            Ok(released) => {
                self.0.lost_claims.lock().record_release(Instant::now());
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
