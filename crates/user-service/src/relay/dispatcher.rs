//! Decides which user's events are published next: one publisher per user at a time, a bounded
//! number of users at once, and no event that this process is known to have published.

use std::{collections::HashMap, convert::Infallible, num::NonZeroUsize, sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lru::LruCache;
use rdkafka::ClientConfig;
use service_kit::{Check, Clock, Lifecycle, Stage};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    gather_window::GatherWindow,
    outbox_ack::OutboxAck,
    producer::EventProducer,
    publisher::{Finished, OfferedList, Publisher, Source},
    state_publisher::StatePublisher,
    sweeper::Sweeper,
    task_messages::{AckedList, BatchGuard, Sweep},
    topic_watch::{Topic, TopicState, TopicWatch},
};
use crate::{
    domain::AttributeRules,
    metrics::RelayMetrics,
    store::{Backlog, LeaseStore, OutboxStore},
};

/// The maximum number of users in the queue of the fast path. The sweep publishes the events of the others.
const MAX_QUEUED_USERS: usize = 10_000;
/// The maximum number of events, of all lists together, that wait in the fast path or are being
/// published. A list holds all pending events of its user; some users have a hundred.
const MAX_QUEUED_EVENTS: usize = 20_000;
/// The maximum number of users whose lists are published at the same time.
const MAX_CONCURRENT_USERS: usize = 1_024;
/// The maximum number of acknowledged lists that wait to be removed from the outboxes.
const MAX_WAITING_ACKS: usize = 4_096;
/// The maximum number of users whose last published sequence is remembered. Without it, a list that was
/// read before its events were removed would be published twice.
const MAX_REMEMBERED_USERS: usize = 100_000;

/// How often librdkafka looks for messages that have timed out.
const LIBRDKAFKA_TIMEOUT_CHECK: Duration = Duration::from_secs(1);
/// The shortest message timeout: a broker that responds within it leaves no event to the sweep.
const MIN_MESSAGE_TIMEOUT: Duration = Duration::from_secs(4);
const MAX_MESSAGE_TIMEOUT: Duration = Duration::from_secs(20);
/// The fast path publishes events that are younger than this, even if the sweep takes them earlier.
const MIN_FAST_PATH_AGE: Duration = Duration::from_secs(1);

/// Returns how long librdkafka tries to publish one event. It gives up before the sweep takes over, so that
/// two replicas do not publish the same events after an outage.
fn message_timeout(sweep_min_age: Duration) -> Duration {
    sweep_min_age.saturating_sub(LIBRDKAFKA_TIMEOUT_CHECK).clamp(MIN_MESSAGE_TIMEOUT, MAX_MESSAGE_TIMEOUT)
}

/// The settings of the relay.
pub struct RelaySettings {
    pub client: ClientConfig,
    pub topic: String,
    /// The topic of the users' states, if it is on.
    pub state_topic: Option<String>,
    /// They say which attributes are part of a state.
    pub rules: Arc<AttributeRules>,
    pub partitions: i32,
    pub sweep_interval: Duration,
    pub sweep_min_age: Duration,
    pub lease: Duration,
    /// The name of this process for the other replicas.
    pub replica: Uuid,
}

/// A handle that offers the events of a write to the relay.
#[derive(Clone)]
pub struct Relay {
    fast: mpsc::Sender<QueuedBacklog>,
    room: Arc<Semaphore>,
    metrics: RelayMetrics,
}

/// A list in the queue, with its share of [`MAX_QUEUED_EVENTS`] until it has been published.
struct QueuedBacklog {
    backlog: Backlog,
    room: OwnedSemaphorePermit,
}

impl Relay {
    /// Starts the tasks of the relay under `lifecycle`. They publish until the requests and the queues have
    /// ended, and then complete what is in flight.
    ///
    /// # Errors
    /// Returns an error if librdkafka refuses its configuration.
    pub fn start(
        settings: RelaySettings,
        pending: OutboxStore,
        leases: LeaseStore,
        clock: Clock,
        kafka: Check,
        metrics: RelayMetrics,
        lifecycle: &Lifecycle,
    ) -> rdkafka::error::KafkaResult<Self> {
        let RelaySettings {
            mut client,
            topic,
            state_topic,
            rules,
            partitions,
            sweep_interval,
            sweep_min_age,
            lease,
            replica,
        } = settings;
        client.set("message.timeout.ms", message_timeout(sweep_min_age).as_millis().to_string());
        let producer = Arc::new(EventProducer::new(client.clone(), topic.clone(), partitions)?);
        let (state_sender, state) = watch::channel(TopicState::Unreachable);
        let (fast, fast_receiver) = mpsc::channel(MAX_QUEUED_USERS);
        let (sweep, sweep_receiver) = mpsc::channel(1);
        let (acks, acks_receiver) = mpsc::channel::<AckedList>(MAX_WAITING_ACKS);

        let states = state_topic.clone().map(|topic| StatePublisher {
            topic,
            producer: Arc::clone(&producer),
            outbox: pending.clone(),
            rules,
            clock: clock.clone(),
            metrics: metrics.clone(),
        });
        let topics = std::iter::once(Topic::events(topic)).chain(state_topic.map(Topic::states)).collect();
        let watch = TopicWatch { producer: Arc::clone(&producer), client, topics, partitions, check: kafka };
        lifecycle.spawn(Stage::Support, "topic-watch", |stop| watch.run(state_sender, stop));
        lifecycle.spawn(Stage::Support, "relay-outbox-ack", {
            let (pending, states, metrics) = (pending.clone(), states.clone(), metrics.clone());
            |stop| OutboxAck { pending, states, metrics, stop }.run(acks_receiver)
        });
        let sweeper = Sweeper {
            pending: pending.clone(),
            publishes_states: states.is_some(),
            leases,
            clock: clock.clone(),
            interval: sweep_interval,
            min_age: sweep_min_age,
            lease,
            holder: replica,
            metrics: metrics.clone(),
        };
        lifecycle.spawn(Stage::Support, "relay-sweeper", {
            let state = state.clone();
            |stop| sweeper.run(sweep, state, stop)
        });
        let fast_path_max_age = sweep_min_age.max(MIN_FAST_PATH_AGE);
        let publisher =
            Publisher { producer, states, replica, pending, acks, clock, fast_path_max_age, metrics: metrics.clone() };
        let dispatcher = Dispatcher {
            publisher: Arc::new(publisher),
            state,
            running: HashMap::new(),
            window: GatherWindow::default(),
            published: LruCache::new(NonZeroUsize::new(MAX_REMEMBERED_USERS).expect("not zero")),
            in_flight: FuturesUnordered::new(),
        };
        lifecycle.spawn(Stage::Support, "relay", |stop| dispatcher.run(fast_receiver, sweep_receiver, stop));
        Ok(Self { fast, room: Arc::new(Semaphore::new(MAX_QUEUED_EVENTS)), metrics })
    }

    /// Queues the pending events of a user for publication. It never waits: if the queue is full, the sweep
    /// publishes them.
    pub fn offer(&self, backlog: Backlog) {
        if backlog.pending_events.is_empty() {
            return;
        }
        let events = u32::try_from(backlog.pending_events.len()).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(events);
        if !room.is_ok_and(|room| self.fast.try_send(QueuedBacklog { backlog, room }).is_ok()) {
            self.metrics.fast_path_dropped.inc();
        }
    }
}

/// Merges two lists of one user: the list with the higher last sequence contains the other one. If one of
/// them comes from the sweep, so does the result, because only those are published at any age.
fn merge(mut waiting: OfferedList, offered: OfferedList) -> OfferedList {
    waiting.guards.extend(offered.guards);
    if last_sequence(&waiting.backlog) < last_sequence(&offered.backlog) {
        waiting.backlog = offered.backlog;
    }
    if !matches!(waiting.source, Source::Sweep) {
        waiting.source = offered.source;
    }
    waiting
}

/// A user whose list is being published, or waits for the end of a window.
#[derive(Default)]
struct Running {
    /// The next list, if it has arrived.
    next: Option<OfferedList>,
    /// Ends the wait when it is dropped.
    wait: Option<oneshot::Sender<Infallible>>,
}

struct Dispatcher {
    publisher: Arc<Publisher>,
    state: watch::Receiver<TopicState>,
    /// The users whose lists are being published.
    running: HashMap<Uuid, Running>,
    window: GatherWindow,
    published: LruCache<Uuid, i64>,
    in_flight: FuturesUnordered<BoxFuture<'static, Finished>>,
}

impl Dispatcher {
    async fn run(
        mut self,
        mut fast: mpsc::Receiver<QueuedBacklog>,
        mut sweep: mpsc::Receiver<Sweep>,
        stop: CancellationToken,
    ) {
        let mut sweep_open = true;
        loop {
            let room = self.in_flight.len() < MAX_CONCURRENT_USERS;
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

    /// Publishes what is queued after the last request, if Kafka is available.
    async fn drain(mut self, mut fast: mpsc::Receiver<QueuedBacklog>) {
        while let Ok(offered) = fast.try_recv() {
            self.take_offered(offered);
        }
        while let Some(finished) = self.in_flight.next().await {
            self.finish(&finished);
        }
        let publisher = Arc::clone(&self.publisher);
        let _ = tokio::task::spawn_blocking(move || publisher.producer.flush(Duration::from_secs(1))).await;
    }

    fn take_offered(&mut self, QueuedBacklog { backlog, room }: QueuedBacklog) {
        self.take(OfferedList { backlog, source: Source::Fast { _room: room }, guards: Vec::new() });
    }

    fn take_batch(&mut self, batch: Sweep) {
        let guard = Arc::new(BatchGuard::new(batch.done));
        for backlog in batch.backlogs {
            self.take(OfferedList { backlog, source: Source::Sweep, guards: vec![Arc::clone(&guard)] });
        }
    }

    fn take(&mut self, offered: OfferedList) {
        if *self.state.borrow() != TopicState::Ready {
            return;
        }
        let may_wait = offered.may_wait();
        match self.running.get_mut(&offered.user()) {
            None => {
                let until = if may_wait { self.window.wait_until(Instant::now()) } else { None };
                self.start(offered, until);
            }
            Some(running) => {
                if !may_wait {
                    running.wait = None;
                }
                running.next = Some(match running.next.take() {
                    Some(waiting) => merge(waiting, offered),
                    None => offered,
                });
            }
        }
    }

    /// Publishes the list, at `until` if it waits.
    fn start(&mut self, list: OfferedList, until: Option<Instant>) {
        let up_to = self.published.get(&list.user()).copied();
        let publisher = Arc::clone(&self.publisher);
        let (wait, waited) = oneshot::channel();
        self.running.insert(list.user(), Running { next: None, wait: until.is_some().then_some(wait) });
        let publish = async move {
            if let Some(until) = until {
                let _ = timeout_at(until, waited).await;
            }
            publisher.publish_or_park(list, up_to).await
        };
        self.in_flight.push(publish.boxed());
    }

    fn finish(&mut self, finished: &Finished) {
        if let Some(up_to) = finished.up_to {
            self.published.put(finished.user, up_to);
        }
        if let Some(next) = self.running.remove(&finished.user).and_then(|running| running.next) {
            self.start(next, None);
        }
    }
}

fn last_sequence(backlog: &Backlog) -> i64 {
    backlog.pending_events.last().map_or(0, |event| event.sequence)
}

#[cfg(test)]
mod tests {
    use bson::DateTime;
    use service_kit::prometheus::Registry;

    use super::*;
    use crate::store::{AuditDetails, PendingEvent};

    fn backlog(events: usize) -> Backlog {
        let event = |sequence| PendingEvent {
            id: Uuid::nil().into(),
            event_type: "user.logged_in.v1".to_owned(),
            sequence,
            at: DateTime::from_millis(0),
            data: "{}".to_owned(),
            trace_parent: None,
            audit: AuditDetails::default(),
            replica: None,
        };
        let pending_events = (1..).take(events).map(event).collect();
        Backlog { user: Uuid::nil().into(), deleted_at: None, pending_events, parked: None }
    }

    #[test]
    fn librdkafka_gives_up_on_an_event_before_the_sweep_takes_over() {
        let seconds = Duration::from_secs;
        for (min_age, expected) in [(0, 4), (5, 4), (8, 7), (60, 20)] {
            assert_eq!(message_timeout(seconds(min_age)), seconds(expected), "{min_age}");
        }
    }

    #[test]
    fn a_list_of_the_sweep_stays_one_and_the_longer_list_is_published() {
        let fast = || {
            let room = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
            Source::Fast { _room: room }
        };
        let swept = || {
            let (done, tried) = tokio::sync::oneshot::channel();
            (vec![Arc::new(BatchGuard::new(done))], tried)
        };
        let list = |events, source, guards| OfferedList { backlog: backlog(events), source, guards };
        let merged = |next: &OfferedList| (last_sequence(&next.backlog), matches!(next.source, Source::Sweep));
        let (guards, mut tried) = swept();
        let next = merge(list(1, Source::Sweep, guards), list(2, fast(), Vec::new()));
        assert_eq!(merged(&next), (2, true));
        assert!(tried.try_recv().is_err_and(|error| error == tokio::sync::oneshot::error::TryRecvError::Empty));
        let (guards, mut tried) = swept();
        let next = merge(list(2, fast(), Vec::new()), list(1, Source::Sweep, guards));
        assert_eq!(merged(&next), (2, true));
        drop(next);
        assert!(tried.try_recv().is_err_and(|error| error == tokio::sync::oneshot::error::TryRecvError::Closed));
        let next = merge(list(2, fast(), Vec::new()), list(3, fast(), Vec::new()));
        assert_eq!(merged(&next), (3, false));
    }

    #[test]
    fn only_events_of_the_fast_path_that_cause_no_mail_wait() {
        let list = |types: &[&str], source| {
            let mut backlog = backlog(types.len());
            for (event, event_type) in backlog.pending_events.iter_mut().zip(types) {
                (*event_type).clone_into(&mut event.event_type);
            }
            OfferedList { backlog, source, guards: Vec::new() }
        };
        let fast = || Source::Fast { _room: Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap() };
        let (silent, mailed) = ("user.logged_in.v1", "user.new_sign_in.v1");
        assert!(list(&[silent, "user.profile_updated.v1"], fast()).may_wait());
        assert!(!list(&[silent, mailed], fast()).may_wait());
        assert!(!list(&["user.of_a_later_release.v1"], fast()).may_wait());
        assert!(!list(&[silent], Source::Sweep).may_wait());
    }

    #[test]
    fn the_fast_path_is_bounded_in_users_and_in_events() {
        for (each, expected) in [(1, MAX_QUEUED_USERS), (100, MAX_QUEUED_EVENTS / 100)] {
            let metrics = RelayMetrics::register(&Registry::new()).unwrap();
            let (fast, mut offered) = mpsc::channel(MAX_QUEUED_USERS);
            let relay = Relay { fast, room: Arc::new(Semaphore::new(MAX_QUEUED_EVENTS)), metrics };
            for _ in 0..expected + 5 {
                relay.offer(backlog(each));
            }
            assert_eq!((offered.len(), relay.metrics.fast_path_dropped.get()), (expected, 5));
            // A published list makes room.
            drop(offered.try_recv());
            relay.offer(backlog(each));
            assert_eq!((offered.len(), relay.metrics.fast_path_dropped.get()), (expected, 5));
        }
    }
}
