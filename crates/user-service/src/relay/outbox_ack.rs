//! Removes acknowledged events from the outboxes of their users, in batches. No request waits for it, and the events are
//! already in the topic; gathering delays only their rows in the audit log and the end of a sweep.

use std::time::Duration;

use service_kit::{
    backoff,
    batches::{self, BatchHandler},
    fail_point,
};
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

impl BatchHandler for OutboxAck {
    type Item = AckedList;
    const PLACE: &'static str = PANIC_LABEL;

    async fn handle(&self, batch: &[AckedList]) {
        fail_point!("relay.before_settle");
        let batch: Vec<_> = batch.iter().map(|list| &list.acknowledged).collect();
        self.remove_events(&batch).await;
    }

    /// Leaves the events to the sweep.
    fn lost(&self, _: &AckedList) {
        self.metrics.settle_failed.inc();
    }
}

impl OutboxAck {
    /// Runs until every sender is gone and every list is processed.
    pub(super) async fn run(self, acks: mpsc::Receiver<AckedList>) {
        batches::process(acks, std::future::pending(), self).await;
    }

    async fn remove_events(&self, batch: &[&AcknowledgedEvents]) {
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
