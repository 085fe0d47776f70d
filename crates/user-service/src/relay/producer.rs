//! One event to the topic: the record as the contract wants it, and what the broker's
//! answer means.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use rdkafka::{
    ClientConfig,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    metadata::Metadata,
    producer::{FutureProducer, FutureRecord, Producer},
};
use service_kit::kafka::LogContext;
use uuid::Uuid;

use crate::store::PendingEvent;

/// What we set for correctness and latency; the configuration may not change these.
pub const PRODUCER_PROPERTIES: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("allow.auto.create.topics", "false"),
    // It would add its whole self to each lone event; batches come from concurrency.
    ("linger.ms", "0"),
    ("compression.type", "lz4"),
    // Shorter where the sweep takes over sooner: see the dispatcher.
    ("message.timeout.ms", "20000"),
    ("queue.buffering.max.kbytes", "65536"),
    ("socket.nagle.disable", "true"),
    ("topic.metadata.refresh.interval.ms", "10000"),
    ("reconnect.backoff.max.ms", "2000"),
];

/// Why an event is not in the topic.
pub(super) enum PublishError {
    /// The broker refuses this event now and later.
    Permanent(String),
    /// The cause goes away by itself.
    Transient(String),
}

/// librdkafka's log goes to ours.
type LoggingProducer = FutureProducer<LogContext>;

/// The producer; made again after a fatal error.
pub(super) struct EventProducer {
    config: ClientConfig,
    topic: String,
    partitions: i32,
    current: ArcSwap<LoggingProducer>,
}

impl EventProducer {
    pub(super) fn new(config: ClientConfig, topic: String, partitions: i32) -> KafkaResult<Self> {
        let current = ArcSwap::from_pointee(config.create_with_context(LogContext)?);
        Ok(Self { config, topic, partitions, current })
    }

    /// Publishes one event and waits for all in-sync replicas to have it.
    pub(super) async fn publish(&self, user: Uuid, event: &PendingEvent) -> Result<(), PublishError> {
        let headers = headers(user, event).map_err(|problem| PublishError::Permanent(problem.to_owned()))?;
        let key = user.to_string();
        // The partition is ours to say: partitions added later move no key.
        let partition = events::topic::partition_of(key.as_bytes(), self.partitions);
        let record = FutureRecord::to(&self.topic).partition(partition).key(&key).payload(&event.data).headers(headers);
        let producer = self.current.load_full();
        let delivery = producer.send_result(record).map_err(|(error, _)| self.classify(&producer, &error))?;
        match delivery.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(self.classify(&producer, &error)),
            Err(_) => Err(PublishError::Transient("the producer was closed".to_owned())),
        }
    }

    /// What the brokers say about the topic. Blocks its thread.
    pub(super) fn metadata(&self, topic: &str, deadline: Duration) -> KafkaResult<Metadata> {
        self.current.load_full().client().fetch_metadata(Some(topic), deadline)
    }

    /// Waits until nothing is in flight. Blocks its thread.
    pub(super) fn flush(&self, deadline: Duration) -> KafkaResult<()> {
        self.current.load_full().flush(deadline)
    }

    fn classify(&self, used: &Arc<LoggingProducer>, error: &KafkaError) -> PublishError {
        if used.client().fatal_error().is_some() {
            self.replace(used);
        }
        let refused = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::MessageSizeTooLarge
                    | RDKafkaErrorCode::InvalidMessageSize
                    | RDKafkaErrorCode::InvalidRecord
                    | RDKafkaErrorCode::InvalidMessage
                    | RDKafkaErrorCode::MessageBatchTooLarge
                    | RDKafkaErrorCode::PolicyViolation
            )
        );
        if refused { PublishError::Permanent(error.to_string()) } else { PublishError::Transient(error.to_string()) }
    }

    /// A fatal error (idempotence lost) never heals: the next one starts afresh.
    fn replace(&self, broken: &Arc<LoggingProducer>) {
        match self.config.create_with_context::<_, LoggingProducer>(LogContext) {
            Ok(fresh) => {
                let before = self.current.compare_and_swap(broken, Arc::new(fresh));
                if Arc::ptr_eq(&before, broken) {
                    tracing::error!("the Kafka producer had a fatal error and was made again");
                }
            }
            Err(error) => tracing::error!(%error, "the Kafka producer could not be made again"),
        }
    }
}

fn headers(user: Uuid, event: &PendingEvent) -> Result<OwnedHeaders, &'static str> {
    let envelope = events::Envelope {
        id: event.id.into(),
        event_type: events::EventType::parse(&event.event_type)
            .map_err(|_| "an event type that this version does not know")?,
        subject: user,
        time: event.at.into(),
        sequence: u64::try_from(event.sequence).map_err(|_| "a negative sequence")?,
        trace_parent: event.trace_parent.as_deref().and_then(events::TraceParent::parse),
    };
    let headers = envelope.headers();
    let empty = OwnedHeaders::new_with_capacity(headers.len());
    Ok(headers.iter().fold(empty, |headers, (key, value)| headers.insert(Header { key, value: Some(value) })))
}
