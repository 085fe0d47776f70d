//! Takes acknowledged events off their users' lists, in batches: at once what comes after a
//! pause, and then whatever has come in while the last batch was written, and a little longer.

use std::time::Duration;

use service_kit::{fail_point, panics};
use tokio::sync::mpsc;

use super::work::{PLACE, Settlement};
use crate::{
    metrics::RelayMetrics,
    store::{AcknowledgedEvents, OutboxStore},
};

const BATCH: usize = 256;
/// After a small batch the next one gathers for so long. No request waits for it, and the events
/// are in the topic; what comes so late are their rows of the audit log, and the end of a sweep.
const GATHER: Duration = Duration::from_millis(50);
/// As many together are worth the way to MongoDB at once.
const ENOUGH: usize = 64;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Given up then: the sweep finds the events, and knows that they are published.
const ATTEMPTS: u32 = 8;

pub(super) struct OutboxAck {
    pub pending: OutboxStore,
    pub metrics: RelayMetrics,
}

impl OutboxAck {
    /// Ends when every sender is gone and all is settled.
    pub(super) async fn run(self, mut acks: mpsc::Receiver<Settlement>) {
        let mut batch = Vec::with_capacity(BATCH);
        while acks.recv_many(&mut batch, BATCH).await > 0 {
            self.settle_all(&batch).await;
            if batch.len() < ENOUGH && acks.len() < ENOUGH {
                tokio::time::sleep(GATHER).await;
            }
            batch.clear();
        }
    }

    /// A panic leaves only the events of its own user to the sweep: then each user is settled alone. What
    /// was settled before it is settled again, which changes nothing.
    async fn settle_all(&self, batch: &[Settlement]) {
        let batch: Vec<_> = batch.iter().map(|settlement| &settlement.acknowledged).collect();
        if panics::catch_future(PLACE, self.settle(&batch)).await.is_ok() {
            return;
        }
        for one in batch {
            if panics::catch_future(PLACE, self.settle(&[one])).await.is_err() {
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
                    tracing::warn!(%error, "published events stay on their lists until the sweep");
                }
                Err(_) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}
