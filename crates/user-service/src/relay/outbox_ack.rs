//! Removes acknowledged events from the outboxes of their users, in batches. The first batch after a pause is
//! written at once; the next ones gather what arrives while a batch is written, and [`GATHER_TIME`] longer.

use std::time::Duration;

use service_kit::{backoff, fail_point, panics};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    producer::PublishError,
    state_publisher::StatePublisher,
    task_messages::{AckedList, PANIC_LABEL},
};
use crate::{
    metrics::RelayMetrics,
    store::{AcknowledgedEvents, OutboxStore},
};

const MAX_BATCH: usize = 256;
/// How long the next batch gathers after a small one. No request waits for it, and the events are already in
/// the topic; it delays only their rows in the audit log and the end of a sweep.
const GATHER_TIME: Duration = Duration::from_millis(50);
/// The size from which on the next batch is written without gathering longer.
const LARGE_BATCH: usize = 64;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// The maximum number of attempts without a topic of states, or after a stop. After them the events are left to the
/// sweep, which knows that they are published. With a topic of states only this task may know that an older state is the
/// last record of a user, so it does not give up.
const MAX_ATTEMPTS: u32 = 8;

pub(super) struct OutboxAck {
    pub pending: OutboxStore,
    /// Absent if the topic of states is off.
    pub states: Option<StatePublisher>,
    pub metrics: RelayMetrics,
    pub stop: CancellationToken,
}

impl OutboxAck {
    /// Runs until every sender is gone and every list is processed.
    pub(super) async fn run(self, mut acks: mpsc::Receiver<AckedList>) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        while acks.recv_many(&mut batch, MAX_BATCH).await > 0 {
            self.remove_batch(&batch).await;
            if batch.len() < LARGE_BATCH && acks.len() < LARGE_BATCH {
                tokio::time::sleep(GATHER_TIME).await;
            }
            batch.clear();
        }
    }

    /// Removes the events of a batch. After a panic, the events of each user are removed separately, so that only
    /// those of the user that causes the panic are left to the sweep. A removal can be repeated.
    async fn remove_batch(&self, batch: &[AckedList]) {
        let batch: Vec<_> = batch.iter().map(|list| &list.acknowledged).collect();
        if panics::catch_future(PANIC_LABEL, self.remove_events(&batch)).await.is_ok() {
            return;
        }
        for one in batch {
            if panics::catch_future(PANIC_LABEL, self.remove_events(&[one])).await.is_err() {
                self.metrics.settle_failed.inc();
            }
        }
    }

    async fn remove_events(&self, batch: &[&AcknowledgedEvents]) {
        fail_point!("relay.before_settle");
        for attempt in 1_u32.. {
            match self.pending.remove_acknowledged(batch).await {
                Ok(gone) => return self.publish_gone(&gone).await,
                Err(error) if self.gives_up_after(attempt) => {
                    self.metrics.settle_failed.inc();
                    tracing::warn!(%error, "published events stay in their outboxes until the sweep");
                    return;
                }
                Err(_) => backoff::pause(attempt, FIRST_PAUSE, MAX_PAUSE).await,
            }
        }
    }

    fn gives_up_after(&self, attempt: u32) -> bool {
        attempt >= MAX_ATTEMPTS && (self.states.is_none() || self.stop.is_cancelled())
    }

    /// Publishes the tombstones of users who were deleted while their states were published: an older state may be the
    /// last record in the topic. No document is left to which a request could be added.
    async fn publish_gone(&self, users: &[Uuid]) {
        let Some(states) = &self.states else { return };
        for user in users {
            for attempt in 1_u32.. {
                match states.publish_gone(*user).await {
                    Ok(()) => break,
                    Err(PublishError::Transient(_)) if !self.gives_up_after(attempt) => {
                        backoff::pause(attempt, FIRST_PAUSE, MAX_PAUSE).await;
                    }
                    Err(PublishError::Transient(error) | PublishError::Permanent(error)) => {
                        self.metrics.publish_failed.inc();
                        tracing::error!(%user, error, "the tombstone of a deleted user was not published");
                        break;
                    }
                }
            }
        }
    }
}
