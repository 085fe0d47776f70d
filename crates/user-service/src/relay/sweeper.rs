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
    store::{Backlog, LeaseStore, OutboxStore, PendingEvent},
};

const LEASE: &str = "relay.sweep";
const BATCH: i64 = 500;
const MAX_PAUSE: Duration = Duration::from_secs(10);

pub(super) struct Sweeper {
    pub pending: OutboxStore,
    /// Whether the topic of states is on.
    pub publishes_states: bool,
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
        let (mut failures, mut is_idle) = (0_u32, true);
        while !stop.is_cancelled() {
            // A panic ends this sweep only: one user may be its cause, and the others wait for the next sweep.
            let swept = panics::catch_future(PANIC_LABEL, self.sweep(&sweeps, &state, &stop)).await;
            is_idle = matches!(swept, Ok(Ok(true)));
            let failure = match swept {
                Ok(Ok(_)) => None,
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
        // While lists of the sweep are still being published, the next replica waits until the lease expires.
        if is_idle && let Err(error) = self.leases.release(LEASE, self.holder).await {
            tracing::debug!(%error, "the lease of the sweep could not be released; it expires by itself");
        }
    }

    /// Hands over every event that is old enough for the sweep. Returns whether the publication of all was tried.
    async fn sweep(
        &self,
        sweeps: &mpsc::Sender<Sweep>,
        state: &watch::Receiver<TopicState>,
        stop: &CancellationToken,
    ) -> Result<bool, StoreError> {
        let (mut from, mut before, mut all_tried) = (DateTime::MIN, None, true);
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
            self.request_states(&backlogs).await?;
            let (done, tried) = oneshot::channel();
            if sweeps.send_timeout(Sweep { backlogs, done }, self.lease / 3).await.is_err() {
                break;
            }
            if let Some(before) = before.replace(tried) {
                all_tried &= self.wait_until_tried(before, stop).await;
            }
            // The next batch would begin where this one begins, and find the same events again.
            if !whole || last == from {
                break;
            }
            from = last;
        }
        if let Some(last) = before {
            all_tried &= self.wait_until_tried(last, stop).await;
        }
        Ok(all_tried)
    }

    /// Asks for the states of users with an event before the sweep publishes them: a state of the sweep may come after
    /// a newer one of the process that wrote the event. If this process is killed then, only the request tells it.
    async fn request_states(&self, backlogs: &[Backlog]) -> Result<(), StoreError> {
        if !self.publishes_states {
            return Ok(());
        }
        let is_new = |backlog: &&Backlog| {
            let entries = &backlog.pending_events;
            entries.iter().any(PendingEvent::needs_state) && !entries.iter().any(PendingEvent::is_snapshot)
        };
        let users: Vec<_> = backlogs.iter().filter(is_new).map(|backlog| backlog.user.into()).collect();
        self.pending.request_snapshots(&users).await.map(drop)
    }

    /// Waits until every list of a batch was tried and removed, or the lease needs renewal. Returns whether it was.
    async fn wait_until_tried(&self, tried: oneshot::Receiver<()>, stop: &CancellationToken) -> bool {
        tokio::select! {
            _ = tried => true,
            () = tokio::time::sleep(self.lease / 3) => false,
            () = stop.cancelled() => false,
        }
    }
}
