//! Decides who is published when: one publisher per user at a time, a bounded number
//! of users at once, and nothing that this process is known to have published.

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lru::LruCache;
use rdkafka::ClientConfig;
use service_kit::{
    Clock, Health, Lifecycle, fail_point,
    panics::{self, Panicked},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    outbox_ack::OutboxAck,
    producer::{EventProducer, Refusal},
    sweeper::Sweeper,
    topic_watch::{TopicState, TopicWatch},
    work::{PLACE, Settlement, Sweep, Waiter},
};
use crate::{
    metrics::RelayMetrics,
    store::{AcknowledgedEvents, Backlog, LeaseStore, OutboxStore, Parked, PendingEvent},
};

/// Users that wait in the fast path; beyond it the sweep finds them.
const FAST_PATH: usize = 10_000;
/// Events of all lists of the fast path that wait or are being published: each list is all
/// that its user has pending, and some have a hundred.
const FAST_PATH_EVENTS: usize = 20_000;
/// Users that are published at once.
const AT_ONCE: usize = 1_024;
/// Acknowledgements that wait to be settled.
const ACKNOWLEDGEMENTS: usize = 4_096;
/// Users whose last published sequence is remembered, so that a list read before an
/// event was taken off it publishes nothing twice.
const REMEMBERED: usize = 100_000;

/// librdkafka looks for messages that are too late once a second.
const TIMEOUTS_SEEN_AFTER: Duration = Duration::from_secs(1);
/// A broker that answers within this time loses no event to the sweep.
const SHORTEST_MESSAGE_TIMEOUT: Duration = Duration::from_secs(4);
const LONGEST_MESSAGE_TIMEOUT: Duration = Duration::from_secs(20);
/// An event is this old before the fast path leaves it to the sweep, however soon the sweep takes it.
const SHORTEST_FAST_PATH: Duration = Duration::from_secs(1);

/// How long librdkafka tries to bring one event into the topic: no longer than until the sweep
/// takes over, so that after an outage two replicas do not publish the same events.
fn message_timeout(sweep_min_age: Duration) -> Duration {
    sweep_min_age.saturating_sub(TIMEOUTS_SEEN_AFTER).clamp(SHORTEST_MESSAGE_TIMEOUT, LONGEST_MESSAGE_TIMEOUT)
}

/// What the relay is set up with.
pub struct RelaySettings {
    pub client: ClientConfig,
    pub topic: String,
    pub partitions: i32,
    pub sweep_interval: Duration,
    pub sweep_min_age: Duration,
    pub lease: Duration,
    pub holder: Uuid,
}

/// The door to the relay for those who have just written.
#[derive(Clone)]
pub struct Relay {
    fast: mpsc::Sender<Offered>,
    room: Arc<Semaphore>,
    metrics: RelayMetrics,
}

/// A list with its share of the memory for lists, which it has until it was published.
struct Offered {
    backlog: Backlog,
    room: OwnedSemaphorePermit,
}

impl Relay {
    /// Starts the relay's tasks under `lifecycle`: they publish until it says that
    /// everything else has ended, then finish what is in flight.
    ///
    /// # Errors
    /// When librdkafka refuses its configuration.
    pub fn start(
        settings: RelaySettings,
        pending: OutboxStore,
        leases: LeaseStore,
        clock: Clock,
        health: Health,
        metrics: RelayMetrics,
        lifecycle: &Lifecycle,
    ) -> rdkafka::error::KafkaResult<Self> {
        let RelaySettings { mut client, topic, partitions, sweep_interval, sweep_min_age, lease, holder } = settings;
        client.set("message.timeout.ms", message_timeout(sweep_min_age).as_millis().to_string());
        let producer = Arc::new(EventProducer::new(client.clone(), topic.clone(), partitions)?);
        let (state_sender, state) = watch::channel(TopicState::Unreachable);
        let (fast, fast_receiver) = mpsc::channel(FAST_PATH);
        let (sweep, sweep_receiver) = mpsc::channel(1);
        let (acks, acks_receiver) = mpsc::channel::<Settlement>(ACKNOWLEDGEMENTS);
        let stop = lifecycle.drained();

        let watch = TopicWatch { producer: Arc::clone(&producer), client, topic, partitions, health };
        lifecycle.spawn("topic-watch", watch.run(state_sender, stop.clone()));
        let settler = OutboxAck { pending: pending.clone(), metrics: metrics.clone() };
        lifecycle.spawn("relay-settler", settler.run(acks_receiver));
        let sweeper = Sweeper {
            pending: pending.clone(),
            leases,
            clock: clock.clone(),
            interval: sweep_interval,
            min_age: sweep_min_age,
            lease,
            holder,
            metrics: metrics.clone(),
        };
        lifecycle.spawn("relay-sweeper", sweeper.run(sweep, state.clone(), stop.clone()));
        let left_to_the_sweep = sweep_min_age.max(SHORTEST_FAST_PATH);
        let publisher = Publisher { producer, pending, acks, clock, left_to_the_sweep, metrics: metrics.clone() };
        let dispatcher = Dispatcher {
            publisher: Arc::new(publisher),
            state,
            running: HashMap::new(),
            published: LruCache::new(NonZeroUsize::new(REMEMBERED).expect("not zero")),
            in_flight: FuturesUnordered::new(),
        };
        lifecycle.spawn("relay", dispatcher.run(fast_receiver, sweep_receiver, stop));
        Ok(Self { fast, room: Arc::new(Semaphore::new(FAST_PATH_EVENTS)), metrics })
    }

    /// Publishes what the user has pending, soon. Never waits: when the relay is
    /// behind, the sweep will do it.
    pub fn offer(&self, backlog: Backlog) {
        if backlog.pending_events.is_empty() {
            return;
        }
        let events = u32::try_from(backlog.pending_events.len()).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(events);
        if !room.is_ok_and(|room| self.fast.try_send(Offered { backlog, room }).is_ok()) {
            self.metrics.fast_path_dropped.inc();
        }
    }
}

struct Finished {
    user: Uuid,
    /// The last sequence that is in the topic now, if any was published.
    up_to: Option<i64>,
}

/// A user's next turn: a list that came while the one before was being published.
type Next = (Backlog, Source, Vec<Arc<Waiter>>);

enum Source {
    Fast {
        _room: OwnedSemaphorePermit,
    },
    /// One batch at a time.
    Sweep,
}

/// Of two lists of one user the one that reaches further says all that the other says. What the
/// sweep offers stays the sweep's: only then it is published whatever its age.
fn together((waiting, its_source, mut waiters): Next, (backlog, source, more): Next) -> Next {
    waiters.extend(more);
    let backlog = if reaches(&waiting) < reaches(&backlog) { backlog } else { waiting };
    let source = if matches!(its_source, Source::Sweep) { its_source } else { source };
    (backlog, source, waiters)
}

struct Dispatcher {
    publisher: Arc<Publisher>,
    state: watch::Receiver<TopicState>,
    running: HashMap<Uuid, Option<Next>>,
    published: LruCache<Uuid, i64>,
    in_flight: FuturesUnordered<BoxFuture<'static, Finished>>,
}

impl Dispatcher {
    async fn run(
        mut self,
        mut fast: mpsc::Receiver<Offered>,
        mut sweep: mpsc::Receiver<Sweep>,
        stop: CancellationToken,
    ) {
        let mut sweep_open = true;
        loop {
            let room = self.in_flight.len() < AT_ONCE;
            tokio::select! {
                Some(finished) = self.in_flight.next() => self.finish(&finished),
                Some(offered) = fast.recv(), if room => self.take_offered(offered),
                batch = sweep.recv(), if room && sweep_open => match batch {
                    Some(batch) => self.take_batch(batch),
                    None => sweep_open = false,
                },
                () = stop.cancelled() => break,
            }
        }
        self.drain(fast).await;
    }

    /// After the last request: what is queued is published, as far as Kafka is there.
    async fn drain(mut self, mut fast: mpsc::Receiver<Offered>) {
        while let Ok(offered) = fast.try_recv() {
            self.take_offered(offered);
        }
        while let Some(finished) = self.in_flight.next().await {
            self.finish(&finished);
        }
        let publisher = Arc::clone(&self.publisher);
        let _ = tokio::task::spawn_blocking(move || publisher.producer.flush(Duration::from_secs(1))).await;
    }

    fn take_offered(&mut self, Offered { backlog, room }: Offered) {
        self.take(backlog, Source::Fast { _room: room }, Vec::new());
    }

    fn take_batch(&mut self, batch: Sweep) {
        let waiter = Arc::new(Waiter::new(batch.done));
        for backlog in batch.backlogs {
            self.take(backlog, Source::Sweep, vec![Arc::clone(&waiter)]);
        }
    }

    fn take(&mut self, backlog: Backlog, source: Source, waiters: Vec<Arc<Waiter>>) {
        if *self.state.borrow() != TopicState::Ready {
            return;
        }
        let offered = (backlog, source, waiters);
        match self.running.get_mut(&Uuid::from(offered.0.user)) {
            None => {
                self.running.insert(Uuid::from(offered.0.user), None);
                self.start(offered);
            }
            Some(next) => {
                *next = Some(match next.take() {
                    Some(waiting) => together(waiting, offered),
                    None => offered,
                });
            }
        }
    }

    fn start(&mut self, (backlog, source, waiters): Next) {
        let up_to = self.published.get(&Uuid::from(backlog.user)).copied();
        let publisher = Arc::clone(&self.publisher);
        self.in_flight.push(async move { publisher.publish_or_park(backlog, up_to, source, waiters).await }.boxed());
    }

    fn finish(&mut self, finished: &Finished) {
        if let Some(up_to) = finished.up_to {
            self.published.put(finished.user, up_to);
        }
        match self.running.get_mut(&finished.user).and_then(Option::take) {
            Some(next) => self.start(next),
            None => drop(self.running.remove(&finished.user)),
        }
    }
}

fn reaches(backlog: &Backlog) -> i64 {
    backlog.pending_events.last().map_or(0, |event| event.sequence)
}

/// Publishes one user's list.
struct Publisher {
    producer: Arc<EventProducer>,
    pending: OutboxStore,
    acks: mpsc::Sender<Settlement>,
    clock: Clock,
    /// What waited longer is no longer the fast path's: the one replica that sweeps may be
    /// publishing it.
    left_to_the_sweep: Duration,
    metrics: RelayMetrics,
}

impl Publisher {
    /// A user whose list cannot be published without a panic is parked: the same events would do it again,
    /// in every replica.
    async fn publish_or_park(
        &self,
        backlog: Backlog,
        up_to: Option<i64>,
        source: Source,
        waiters: Vec<Arc<Waiter>>,
    ) -> Finished {
        let (user, parked) = (Uuid::from(backlog.user), backlog.parked.clone());
        let published = panics::catch_future(PLACE, self.publish(backlog, up_to, source, waiters)).await;
        match published {
            Ok(finished) => finished,
            Err(panicked) => {
                self.park(user, None, panicked.to_string(), parked.as_ref()).await;
                Finished { user, up_to }
            }
        }
    }

    /// In order, each after the broker's word for the one before; stops at the first
    /// that is not taken. `up_to` is the last sequence known to be in the topic.
    async fn publish(
        &self,
        backlog: Backlog,
        up_to: Option<i64>,
        source: Source,
        waiters: Vec<Arc<Waiter>>,
    ) -> Finished {
        let user = Uuid::from(backlog.user);
        let mut finished = Finished { user, up_to };
        if backlog.parked.as_ref().is_some_and(|parked| self.clock.now() < parked.until.to_jiff()) {
            return finished;
        }
        let total = backlog.pending_events.len();
        let mut acknowledged: Vec<PendingEvent> = Vec::with_capacity(total);
        for event in backlog.pending_events {
            if finished.up_to.is_some_and(|up_to| event.sequence <= up_to) {
                // In the topic already. The sweep finds it because its settling was lost,
                // the fast path because its list is older than that. A tombstone goes
                // with all of its entries at once.
                if matches!(source, Source::Sweep) || backlog.deleted_at.is_some() {
                    acknowledged.push(event);
                }
                continue;
            }
            if matches!(source, Source::Fast { .. }) && self.is_for_the_sweep(&event) {
                self.metrics.fast_path_dropped.inc();
                break;
            }
            let published = panics::catch_future(PLACE, async {
                fail_point!("relay.before_publish");
                self.producer.publish(user, &event).await
            });
            match published.await.unwrap_or_else(|panicked: Panicked| Err(Refusal::Event(panicked.to_string()))) {
                Ok(()) => {
                    self.metrics.observe_published(self.clock.now(), &event);
                    finished.up_to = Some(event.sequence);
                    acknowledged.push(event);
                }
                Err(refusal) => {
                    self.note(user, &event, refusal, backlog.parked.as_ref()).await;
                    break;
                }
            }
        }
        fail_point!("relay.after_ack");
        if !acknowledged.is_empty() {
            let last_of_tombstone = backlog.deleted_at.is_some() && acknowledged.len() == total;
            // A closed channel means that the process ends: the next one publishes again.
            let acknowledged = AcknowledgedEvents { user, events: acknowledged, last_of_tombstone };
            let _ = self.acks.send(Settlement::new(acknowledged, waiters)).await;
        }
        finished
    }

    fn is_for_the_sweep(&self, event: &PendingEvent) -> bool {
        let age = self.clock.now().duration_since(event.at.to_jiff());
        Duration::try_from(age).is_ok_and(|age| age >= self.left_to_the_sweep)
    }

    async fn note(&self, user: Uuid, event: &PendingEvent, refusal: Refusal, before: Option<&Parked>) {
        let id = event.id;
        match refusal {
            Refusal::Passing(error) => {
                self.metrics.publish_failed.inc();
                tracing::warn!(%id, error, "an event was not published; the sweep will");
            }
            Refusal::Event(error) => {
                self.park(user, Some(id.into()), error, before).await;
            }
        }
    }

    /// `event` is the one that cannot be published, if that is known.
    async fn park(&self, user: Uuid, event: Option<Uuid>, error: String, before: Option<&Parked>) {
        let attempts = before.map_or(0, |parked| parked.attempts).saturating_add(1);
        let pause = Duration::from_secs(10 << u32::try_from(attempts).unwrap_or(0).min(8));
        let until = self.clock.now().saturating_add(pause).unwrap_or(jiff::Timestamp::MAX);
        self.metrics.parked.inc();
        tracing::error!(%user, ?event, error, attempts, "an event cannot be published; its user's events wait");
        let parked = Parked { until: until.into(), attempts, error };
        if let Err(error) = self.pending.park(user, &parked).await {
            tracing::warn!(%error, "a user could not be parked");
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::DateTime;
    use service_kit::prometheus::Registry;

    use super::*;
    use crate::store::AuditDetails;

    fn backlog(events: usize) -> Backlog {
        let event = |sequence| PendingEvent {
            id: Uuid::nil().into(),
            event_type: "user.logged_in.v1".to_owned(),
            sequence,
            at: DateTime::from_millis(0),
            data: "{}".to_owned(),
            trace_parent: None,
            audit: AuditDetails::default(),
        };
        let pending_events = (1..).take(events).map(event).collect();
        Backlog { user: Uuid::nil().into(), deleted_at: None, pending_events, parked: None }
    }

    #[test]
    fn librdkafka_gives_an_event_up_before_the_sweep_takes_over_within_bounds() {
        let seconds = Duration::from_secs;
        for (min_age, expected) in [(0, 4), (5, 4), (8, 7), (60, 20)] {
            assert_eq!(message_timeout(seconds(min_age)), seconds(expected), "{min_age}");
        }
    }

    #[test]
    fn what_the_sweep_offers_stays_its_own_and_the_longer_list_is_published() {
        let fast = || {
            let room = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
            Source::Fast { _room: room }
        };
        let swept = || {
            let (done, tried) = tokio::sync::oneshot::channel();
            (vec![Arc::new(Waiter::new(done))], tried)
        };
        let (waiters, mut tried) = swept();
        let next = together((backlog(1), Source::Sweep, waiters), (backlog(2), fast(), Vec::new()));
        assert_eq!((reaches(&next.0), matches!(next.1, Source::Sweep)), (2, true));
        assert!(tried.try_recv().is_err_and(|error| error == tokio::sync::oneshot::error::TryRecvError::Empty));
        let (waiters, mut tried) = swept();
        let next = together((backlog(2), fast(), Vec::new()), (backlog(1), Source::Sweep, waiters));
        assert_eq!((reaches(&next.0), matches!(next.1, Source::Sweep)), (2, true));
        drop(next);
        assert!(tried.try_recv().is_err_and(|error| error == tokio::sync::oneshot::error::TryRecvError::Closed));
        let next = together((backlog(2), fast(), Vec::new()), (backlog(3), fast(), Vec::new()));
        assert_eq!((reaches(&next.0), matches!(next.1, Source::Sweep)), (3, false));
    }

    #[test]
    fn the_fast_path_is_bounded_in_users_and_in_events() {
        for (each, expected) in [(1, FAST_PATH), (100, FAST_PATH_EVENTS / 100)] {
            let metrics = RelayMetrics::register(&Registry::new()).unwrap();
            let (fast, mut offered) = mpsc::channel(FAST_PATH);
            let relay = Relay { fast, room: Arc::new(Semaphore::new(FAST_PATH_EVENTS)), metrics };
            for _ in 0..expected + 5 {
                relay.offer(backlog(each));
            }
            assert_eq!((offered.len(), relay.metrics.fast_path_dropped.get()), (expected, 5));
            // Whoever was published makes room.
            drop(offered.try_recv());
            relay.offer(backlog(each));
            assert_eq!((offered.len(), relay.metrics.fast_path_dropped.get()), (expected, 5));
        }
    }
}
