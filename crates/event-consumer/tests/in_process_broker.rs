//! The consumer of the topic of states, against a broker in this process.

use std::{convert::Infallible, sync::Arc, time::Duration};

use event_consumer::{
    ClientErrorKind, Consumer, ConsumerLag, DeadLetters, DeadRecord, Decided, Handler, Observer, Rejection,
    SHORTEST_POLL_INTERVAL, Settings,
};
use events::StateRecord;
use jiff::Timestamp;
use parking_lot::Mutex;
use service_kit::{Clock, Health, Lifecycle};
use test_support::{DEADLINE, MockKafka, Producer, wait_for};
use uuid::Uuid;

const TOPIC: &str = "user.state";
/// A consumer that gets a record with this version panics while it applies the batch.
const FATAL_VERSION: u64 = 13;
const GRACE: Duration = Duration::from_secs(20);

/// What a consumer has done.
#[derive(Clone, Default)]
struct Seen {
    applied: Arc<Mutex<Vec<(Uuid, u64)>>>,
    letters: Arc<Mutex<Vec<(i64, &'static str)>>>,
    lag: Arc<Mutex<Option<ConsumerLag>>>,
    errors: Arc<Mutex<Vec<ClientErrorKind>>>,
}

impl Handler for Seen {
    type Record = StateRecord;
    type Decision = ();
    type Error = Infallible;

    const STORE: &'static str = "the memory of this test";

    fn decide(&self, _: StateRecord, _: Timestamp) -> Result<(), Rejection> {
        Ok(())
    }

    async fn apply(&self, batch: &mut [Decided<()>]) -> Result<(), Infallible> {
        assert!(batch.iter().all(|record| record.sequence != FATAL_VERSION), "in this test");
        self.applied.lock().extend(batch.iter().map(|record| (record.user, record.sequence)));
        Ok(())
    }
}

impl DeadLetters for Seen {
    type Error = Infallible;

    async fn store(&self, letters: &[DeadRecord]) -> Result<(), Infallible> {
        self.letters.lock().extend(letters.iter().map(|letter| (letter.record.offset, letter.rejection.reason)));
        Ok(())
    }
}

impl Observer for Seen {
    fn lag(&self, lag: ConsumerLag) {
        *self.lag.lock() = Some(lag);
    }

    fn client_error(&self, kind: ClientErrorKind) {
        self.errors.lock().push(kind);
    }
}

/// A running consumer.
struct Running {
    seen: Seen,
    lifecycle: Lifecycle,
    health: Health,
}

impl Running {
    fn start(kafka: &MockKafka) -> Self {
        let (seen, lifecycle, health) = (Seen::default(), Lifecycle::new(), Health::new());
        let mut settings = Settings::new(kafka.brokers(), TOPIC, "test");
        // This broker notices a member that has left only when its session ends.
        settings.max_poll_interval = SHORTEST_POLL_INTERVAL;
        let consumer = Consumer {
            subscription: settings.check().expect("the settings are valid"),
            handler: seen.clone(),
            dead_letters: seen.clone(),
            observer: Arc::new(seen.clone()),
            check: health.required("kafka"),
            clock: Clock::system(),
        };
        consumer.start(&lifecycle).expect("a thread is available");
        Self { seen, lifecycle, health }
    }

    async fn wait_for_applied(&self, expected: &[(Uuid, u64)]) {
        wait_for(DEADLINE, "records are applied", async || {
            (self.seen.applied.lock().len() >= expected.len()).then_some(())
        })
        .await;
        assert_eq!(*self.seen.applied.lock(), expected);
    }
}

/// Writes the tombstone of `user` with this version.
async fn produce(producer: &Producer, user: Uuid, version: u64) {
    let record = StateRecord { user, version, time: Timestamp::UNIX_EPOCH, state: None };
    let headers = record.headers();
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    producer
        .try_produce(TOPIC, Some(0), Some(user.to_string().as_bytes()), None, &headers)
        .await
        .expect("the broker acknowledges the record");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_consumer_of_a_group_begins_after_everything_that_the_last_one_has_applied() {
    let kafka = MockKafka::start().await.unwrap();
    kafka.create_topic(TOPIC, 1).await.unwrap();
    let producer = Producer::new(kafka.brokers());
    let (ada, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
    produce(&producer, ada, 1).await;
    producer.try_produce(TOPIC, Some(0), Some(b"no user"), Some(b"no state"), &[]).await.unwrap();
    produce(&producer, bob, 7).await;
    produce(&producer, ada, 2).await;

    let first = Running::start(&kafka);
    first.wait_for_applied(&[(ada, 1), (bob, 7), (ada, 2)]).await;
    wait_for(DEADLINE, "no lag", async || {
        (*first.seen.lag.lock() == Some(ConsumerLag { records: 0, seconds: 0.0 })).then_some(())
    })
    .await;
    assert_eq!(*first.seen.letters.lock(), [(1, "missing-header")]);
    assert!(first.lifecycle.finish(GRACE).await, "it stops within the grace period");

    produce(&producer, bob, 8).await;
    let second = Running::start(&kafka);
    second.wait_for_applied(&[(bob, 8)]).await;
    assert_eq!(*second.seen.letters.lock(), []);
    assert_eq!(*second.seen.errors.lock(), []);
    assert!(second.lifecycle.finish(GRACE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_ends_without_a_stop_ends_its_process() {
    let kafka = MockKafka::start().await.unwrap();
    kafka.create_topic(TOPIC, 1).await.unwrap();
    let producer = Producer::new(kafka.brokers());
    let user = Uuid::from_u128(1);
    produce(&producer, user, FATAL_VERSION).await;

    let running = Running::start(&kafka);
    let ended = tokio::time::timeout(DEADLINE, running.lifecycle.run(&running.health, GRACE)).await;
    assert_eq!(ended.unwrap().unwrap_err().to_string(), "the consumer has ended without a stop");
    assert_eq!(*running.seen.applied.lock(), []);
}
