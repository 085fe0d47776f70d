//! Removes acknowledged events from the outboxes of their users, in batches. The first batch after a pause is
//! written at once; the next ones gather what arrives while a batch is written, and [`GATHER`] longer.

use std::time::Duration;

use service_kit::{fail_point, panics};
use tokio::sync::mpsc;

use super::task_messages::{AckedList, PANIC_LABEL};
use crate::{
    metrics::RelayMetrics,
    store::{AcknowledgedEvents, OutboxStore},
};

const BATCH: usize = 256;
/// How long the next batch gathers after a small one. No request waits for it, and the events are already in
/// the topic; only their rows of the audit log and the end of a sweep come later.
const GATHER: Duration = Duration::from_millis(50);
/// From this size on, a batch is written without gathering more.
const FULL_ENOUGH: usize = 64;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// After this many attempts the events are left to the sweep, which knows that they are published.
const ATTEMPTS: u32 = 8;

pub(super) struct OutboxAck {
    pub pending: OutboxStore,
    pub metrics: RelayMetrics,
}

impl OutboxAck {
    /// Runs until every sender is gone and every list is settled.
    pub(super) async fn run(self, mut acks: mpsc::Receiver<AckedList>) {
        let mut batch = Vec::with_capacity(BATCH);
        while acks.recv_many(&mut batch, BATCH).await > 0 {
            self.settle_all(&batch).await;
            if batch.len() < FULL_ENOUGH && acks.len() < FULL_ENOUGH {
                tokio::time::sleep(GATHER).await;
            }
            batch.clear();
        }
    }

    /// Settles a batch. After a panic each user is settled alone, so only the events of the user that causes it
    /// are left to the sweep. Settling a list twice changes nothing.
    async fn settle_all(&self, batch: &[AckedList]) {
        let batch: Vec<_> = batch.iter().map(|list| &list.acknowledged).collect();
        if panics::catch_future(PANIC_LABEL, self.settle(&batch)).await.is_ok() {
            return;
        }
        for one in batch {
            if panics::catch_future(PANIC_LABEL, self.settle(&[one])).await.is_err() {
                self.metrics.settle_failed.inc();
            }
        }
    }

    async fn settle(&self, batch: &[&AcknowledgedEvents]) {
        fail_point!("relay.before_settle");
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            match self.pending.remove_acknowledged(batch).await {
                Ok(()) => return,
                Err(error) if attempt == ATTEMPTS => {
                    self.metrics.settle_failed.inc();
                    tracing::warn!(%error, "published events stay in their outboxes until the sweep");
                }
                Err(_) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
        }
    }
}
