//! Publishes one user's list of events in order, then the user's state, and parks a user whose events cannot be
//! published.

use std::{sync::Arc, time::Duration};

use events::EventType;
use service_kit::{
    Clock, fail_point,
    panics::{self, Panicked},
};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use uuid::Uuid;

use super::{
    producer::{EventProducer, PublishError},
    state_publisher::StatePublisher,
    task_messages::{AckedList, BatchGuard, PANIC_LABEL},
};
use crate::{
    metrics::RelayMetrics,
    store::{AcknowledgedEvents, Backlog, OutboxStore, Parked, PendingEvent, StatePublication},
};

pub(super) struct Finished {
    pub user: Uuid,
    /// The last sequence that is now in the topic, if one is known.
    pub up_to: Option<i64>,
}

pub(super) enum Source {
    Fast {
        _room: OwnedSemaphorePermit,
    },
    /// The sweep hands over one batch at a time.
    Sweep,
}

/// The pending events of one user, as they were offered to the relay.
pub(super) struct OfferedList {
    pub backlog: Backlog,
    pub source: Source,
    pub guards: Vec<Arc<BatchGuard>>,
}

impl OfferedList {
    pub(super) fn user(&self) -> Uuid {
        self.backlog.user.into()
    }

    /// Returns whether the events may wait a moment for those of other users: none of them can cause a mail.
    pub(super) fn may_wait(&self) -> bool {
        let causes_no_mail = |event: &PendingEvent| {
            EventType::parse(&event.event_type).is_ok_and(|event_type| !event_type.can_cause_mail())
        };
        matches!(self.source, Source::Fast { .. }) && self.backlog.pending_events.iter().all(causes_no_mail)
    }
}

/// Publishes the lists of users.
pub(super) struct Publisher {
    pub producer: Arc<EventProducer>,
    /// Absent if the topic of states is off.
    pub states: Option<StatePublisher>,
    /// The name of this process for the other replicas.
    pub replica: Uuid,
    pub pending: OutboxStore,
    pub acks: mpsc::Sender<AckedList>,
    pub clock: Clock,
    /// From this age on, an event is left to the sweep: the replica that sweeps may be publishing it.
    pub fast_path_max_age: Duration,
    pub metrics: RelayMetrics,
}

impl Publisher {
    /// Publishes the list. A user whose list causes a panic is parked, because the same events would cause it
    /// again in every replica.
    pub(super) async fn publish_or_park(&self, list: OfferedList, up_to: Option<i64>) -> Finished {
        let (user, parked) = (list.user(), list.backlog.parked.clone());
        let published = panics::catch_future(PANIC_LABEL, self.publish(list, up_to)).await;
        match published {
            Ok(finished) => finished,
            Err(panicked) => {
                self.park(user, None, panicked.to_string(), parked.as_ref()).await;
                Finished { user, up_to }
            }
        }
    }

    /// Publishes the events in order, each after the broker has acknowledged the one before, and stops at the
    /// first failure; then the state. `up_to` is the last sequence that is known to be in the topic.
    async fn publish(&self, list: OfferedList, up_to: Option<i64>) -> Finished {
        let user = list.user();
        let OfferedList { backlog, source, guards } = list;
        let mut finished = Finished { user, up_to };
        if backlog.parked.as_ref().is_some_and(|parked| self.clock.now() < parked.until.to_jiff()) {
            return finished;
        }
        let total = backlog.pending_events.len();
        let foreign = |entry: &PendingEvent| entry.needs_state() && entry.replica.map(Uuid::from) != Some(self.replica);
        let has_foreign = backlog.pending_events.iter().any(foreign);
        let mut acknowledged: Vec<PendingEvent> = Vec::with_capacity(total);
        for event in backlog.pending_events {
            if event.is_snapshot() {
                if matches!(source, Source::Sweep) {
                    acknowledged.push(event);
                }
                continue;
            }
            if finished.up_to.is_some_and(|up_to| event.sequence <= up_to) {
                // The event is in the topic already. The sweep finds it when its removal from the outbox
                // was lost; the fast path, when its list was read before that removal. A tombstone is
                // removed together with all of its entries.
                if matches!(source, Source::Sweep) || backlog.deleted_at.is_some() {
                    acknowledged.push(event);
                }
                continue;
            }
            if matches!(source, Source::Fast { .. }) && self.is_too_old_for_fast_path(&event) {
                self.metrics.fast_path_dropped.inc();
                break;
            }
            let published = panics::catch_future(PANIC_LABEL, async {
                fail_point!("relay.before_publish");
                self.producer.publish(user, &event).await
            });
            match published
                .await
                .unwrap_or_else(|panicked: Panicked| Err(PublishError::Permanent(panicked.to_string())))
            {
                Ok(()) => {
                    self.metrics.observe_published(self.clock.now(), &event);
                    finished.up_to = Some(event.sequence);
                    acknowledged.push(event);
                }
                Err(error) => {
                    self.handle_error(user, Some(event.id.into()), error, backlog.parked.as_ref()).await;
                    break;
                }
            }
        }
        fail_point!("relay.after_ack");
        // Another process may be publishing an older state right now: on the fast path, the one that wrote another
        // entry of the list; in the sweep, the one that wrote this event and did not remove it.
        let contested = match source {
            Source::Fast { .. } => has_foreign,
            Source::Sweep => acknowledged.iter().any(|entry| entry.needs_state() && !entry.is_snapshot()),
        };
        if contested {
            // The request is renewed.
            acknowledged.retain(|entry| !entry.is_snapshot());
        }
        let state = self.publish_state(user, &mut acknowledged, contested, backlog.parked.as_ref()).await;
        if !acknowledged.is_empty() {
            let last_of_tombstone = backlog.deleted_at.is_some() && acknowledged.len() == total;
            // A closed channel means that the process ends; the next process publishes again.
            let acknowledged = AcknowledgedEvents { user, events: acknowledged, last_of_tombstone, state };
            let _ = self.acks.send(AckedList::new(acknowledged, guards)).await;
        }
        finished
    }

    /// Publishes the state of the user if an acknowledged entry needs it. If that fails, these entries stay in the
    /// list, and the sweep publishes the state.
    async fn publish_state(
        &self,
        user: Uuid,
        acknowledged: &mut Vec<PendingEvent>,
        contested: bool,
        before: Option<&Parked>,
    ) -> StatePublication {
        let Some(states) = &self.states else { return StatePublication::None };
        if !acknowledged.iter().any(PendingEvent::needs_state) {
            return StatePublication::None;
        }
        let sequence = acknowledged.iter().map(|entry| entry.sequence).max().unwrap_or_default();
        let published = panics::catch_future(PANIC_LABEL, states.publish(user, sequence)).await;
        match published.unwrap_or_else(|panicked: Panicked| Err(PublishError::Permanent(panicked.to_string()))) {
            Ok(()) if contested => StatePublication::Contested,
            Ok(()) => StatePublication::Sole,
            Err(error) => {
                acknowledged.retain(|entry| !entry.needs_state());
                self.handle_error(user, None, error, before).await;
                StatePublication::None
            }
        }
    }

    fn is_too_old_for_fast_path(&self, event: &PendingEvent) -> bool {
        let age = self.clock.now().duration_since(event.at.to_jiff());
        Duration::try_from(age).is_ok_and(|age| age >= self.fast_path_max_age)
    }

    /// Handles the failed publication of an event, or of the state if there is no event.
    async fn handle_error(&self, user: Uuid, event: Option<Uuid>, error: PublishError, before: Option<&Parked>) {
        match error {
            PublishError::Transient(error) => {
                self.metrics.publish_failed.inc();
                match event {
                    Some(id) => tracing::warn!(%id, error, "an event was not published; the sweep will publish it"),
                    None => tracing::warn!(%user, error, "a state was not published; the sweep will publish it"),
                }
            }
            PublishError::Permanent(error) => self.park(user, event, error, before).await,
        }
    }

    /// Delays all events of this user. `event` is the event that cannot be published, if it is known.
    async fn park(&self, user: Uuid, event: Option<Uuid>, error: String, before: Option<&Parked>) {
        let attempts = before.map_or(0, |parked| parked.attempts).saturating_add(1);
        let pause = Duration::from_secs(10 << u32::try_from(attempts).unwrap_or(0).min(8));
        let until = self.clock.now().saturating_add(pause).unwrap_or(jiff::Timestamp::MAX);
        self.metrics.parked.inc();
        tracing::error!(%user, ?event, error, attempts, "an event cannot be published; the events of its user wait");
        let parked = Parked { until: until.into(), attempts, error };
        if let Err(error) = self.pending.park(user, &parked).await {
            tracing::warn!(%error, "a user could not be parked");
        }
    }
}
