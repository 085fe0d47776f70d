//! Finds the events that the fast path did not publish: after a crash, an outage or a full queue.
//! A lease, measured by the database's clock, ensures that one replica sweeps at a time.
//!
//! A sweep reads all of them, oldest first, in batches: while one batch is published, the next
//! one is read. Users whose events cannot be published now do not delay the users behind them.

use std::{collections::BTreeSet, time::Duration};

use bson::DateTime;
use service_kit::{
    Clock,
    backoff::{exponential, random_fraction},
    mongo::StoreError,
    panics,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    task_messages::{PANIC_LABEL, Sweep},
    topic_watch::TopicState,
};
use crate::{
    metrics::RelayMetrics,
    store::{Backlog, LeaseStore, OutboxStore},
};

const LEASE: &str = "relay.sweep";
const BATCH: i64 = 500;
const MAX_PAUSE: Duration = Duration::from_secs(10);

pub(super) struct Sweeper {
    pub pending: OutboxStore,
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
            // A panic ends this sweep only: one user may be its cause, and the others wait for the next sweep.
            let swept = panics::catch_future(PANIC_LABEL, self.sweep(&sweeps, &state, &stop)).await;
            let failure = match swept {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(panicked) => Some(panicked.to_string()),
            };
            let pause = match failure {
                None => {
                    failures = 0;
                    self.interval
                }
                Some(error) => {
                    failures = failures.saturating_add(1);
                    tracing::warn!(error, "the sweep could not read the pending events");
                    exponential(failures.saturating_add(1), self.interval, MAX_PAUSE, random_fraction())
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        if let Err(error) = self.leases.release(LEASE, self.holder).await {
            tracing::debug!(%error, "the lease of the sweep could not be released; it expires by itself");
        }
    }

    /// Hands over every event that is old enough for the sweep.
    async fn sweep(
        &self,
        sweeps: &mpsc::Sender<Sweep>,
        state: &watch::Receiver<TopicState>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let (mut from, mut before) = (DateTime::MIN, None);
        let mut handed_over = BTreeSet::new();
        while *state.borrow() == TopicState::Ready && !stop.is_cancelled() {
            if !self.leases.acquire(LEASE, self.holder, self.lease).await? {
                break;
            }
            let mut backlogs = self.pending.backlogs_older_than(self.clock.now(), self.min_age, from, BATCH).await?;
            let Some(last) = backlogs.last().and_then(Backlog::oldest_at) else { break };
            let whole = i64::try_from(backlogs.len()).unwrap_or(i64::MAX) == BATCH;
            // A batch begins at the last time of the batch before, so it finds lists of that one again.
            let users = backlogs.iter().map(|backlog| Uuid::from(backlog.user)).collect();
            backlogs.retain(|backlog| !handed_over.contains(&Uuid::from(backlog.user)));
            handed_over = users;
            self.metrics.swept.inc_by(u64::try_from(backlogs.len()).unwrap_or(u64::MAX));
            let (done, tried) = oneshot::channel();
            if sweeps.send_timeout(Sweep { backlogs, done }, self.lease / 3).await.is_err() {
                break;
            }
            if let Some(before) = before.replace(tried) {
                self.wait_until_tried(before, stop).await;
            }
            // The next batch would begin where this one begins, and find the same events again.
            if !whole || last == from {
                break;
            }
            from = last;
        }
        if let Some(last) = before {
            self.wait_until_tried(last, stop).await;
        }
        Ok(())
    }

    /// Waits until every list of a batch was tried and removed, or the lease needs renewal.
    async fn wait_until_tried(&self, tried: oneshot::Receiver<()>, stop: &CancellationToken) {
        tokio::select! {
            _ = tried => {}
            () = tokio::time::sleep(self.lease / 3) => {}
            () = stop.cancelled() => {}
        }
    }
}
