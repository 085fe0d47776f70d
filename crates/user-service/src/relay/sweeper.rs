//! Finds what the fast path left behind: after a crash, an outage, or a full queue.
//! One sweeper at a time, by a lease on the database's clock.

use std::time::Duration;

use service_kit::{Clock, mongo::StoreError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{topic_watch::TopicState, work::Sweep};
use crate::{
    metrics::RelayMetrics,
    store::{LeaseStore, PendingStore},
};

const LEASE: &str = "relay.sweep";
const BATCH: i64 = 500;
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

pub(super) struct Sweeper {
    pub pending: PendingStore,
    pub leases: LeaseStore,
    pub clock: Clock,
    pub interval: Duration,
    pub min_age: Duration,
    pub lease: Duration,
    pub holder: Uuid,
    pub metrics: RelayMetrics,
}

impl Sweeper {
    pub(super) async fn run(
        self,
        sweeps: mpsc::Sender<Sweep>,
        state: watch::Receiver<TopicState>,
        stop: CancellationToken,
    ) {
        let mut failures: u32 = 0;
        while !stop.is_cancelled() {
            let ready = *state.borrow() == TopicState::Ready;
            let swept = if ready { self.sweep(&sweeps, &stop).await } else { Ok(false) };
            let pause = match swept {
                // A whole batch: there is more.
                Ok(true) => {
                    failures = 0;
                    continue;
                }
                Ok(false) => {
                    failures = 0;
                    self.interval
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    tracing::warn!(%error, "the sweep could not read what is pending");
                    (self.interval * 2_u32.pow(failures.min(6))).min(LONGEST_PAUSE)
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        if let Err(error) = self.leases.release(LEASE, self.holder).await {
            tracing::debug!(%error, "the sweep's lease runs out by itself");
        }
    }

    /// One batch; true if it was a whole one of which something was published.
    async fn sweep(&self, sweeps: &mpsc::Sender<Sweep>, stop: &CancellationToken) -> Result<bool, StoreError> {
        if !self.leases.hold(LEASE, self.holder, self.lease).await? {
            return Ok(false);
        }
        let backlogs = self.pending.left_behind(self.clock.now(), self.min_age, BATCH).await?;
        if backlogs.is_empty() {
            return Ok(false);
        }
        let found = backlogs.len();
        self.metrics.swept.inc_by(u64::try_from(found).unwrap_or(u64::MAX));
        let published = self.metrics.published.get();
        let (done, tried) = oneshot::channel();
        if sweeps.send(Sweep { backlogs, done }).await.is_err() {
            return Ok(false);
        }
        // All of it was tried and settled, or the lease needs renewal.
        tokio::select! {
            _ = tried => {}
            () = tokio::time::sleep(self.lease / 3) => {}
            () = stop.cancelled() => {}
        }
        let whole = i64::try_from(found).unwrap_or(i64::MAX) == BATCH;
        Ok(whole && self.metrics.published.get() > published)
    }
}
