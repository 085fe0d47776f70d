//! Publishes one record by the contract, and decides what an error of the broker means.

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

/// The properties that correctness and latency depend on. The configuration cannot change them.
pub const PRODUCER_PROPERTIES: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("allow.auto.create.topics", "false"),
    // A linger time would delay each single event by its whole length, and librdkafka sends each partition in a request of
    // its own: with 12 partitions it saves nothing at 100 events/s. Batches form by concurrency.
    ("linger.ms", "0"),
    ("compression.type", "lz4"),
    // The dispatcher shortens it if the sweep takes over earlier.
    ("message.timeout.ms", "20000"),
    ("queue.buffering.max.kbytes", "65536"),
    ("socket.nagle.disable", "true"),
    ("topic.metadata.refresh.interval.ms", "10000"),
    ("reconnect.backoff.max.ms", "2000"),
];

/// Why a record was not published.
pub(super) enum PublishError {
    /// The broker refuses this record now and later.
    Permanent(String),
    /// The cause goes away by itself.
    Transient(String),
}

/// A producer whose librdkafka log goes to the log of the service.
type LoggingProducer = FutureProducer<LogContext>;

/// The producer of both topics. It is replaced after a fatal error.
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

    /// Publishes one event and waits until all in-sync replicas have it.
    pub(super) async fn publish(&self, user: Uuid, event: &PendingEvent) -> Result<(), PublishError> {
        let envelope = envelope(user, event).map_err(|problem| PublishError::Permanent(problem.to_owned()))?;
        self.produce(&self.topic, user, &envelope.headers(), Some(&event.data)).await
    }

    /// Publishes one record and waits until all in-sync replicas have it.
    pub(super) async fn produce(
        &self,
        topic: &str,
        user: Uuid,
        headers: &[(&'static str, String)],
        value: Option<&str>,
    ) -> Result<(), PublishError> {
        let empty = OwnedHeaders::new_with_capacity(headers.len());
        let headers =
            headers.iter().fold(empty, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let key = user.to_string();
        // The service chooses the partition, so partitions that are added later move no key.
        let partition = events::topic::partition_of(key.as_bytes(), self.partitions);
        let mut record = FutureRecord::to(topic).partition(partition).key(&key).headers(headers);
        record.payload = value;
        let producer = self.current.load_full();
        let delivery = producer.send_result(record).map_err(|(error, _)| self.classify(&producer, &error))?;
        match delivery.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(self.classify(&producer, &error)),
            Err(_) => Err(PublishError::Transient("the producer was closed".to_owned())),
        }
    }

    /// Returns the metadata of the topic. Blocks its thread.
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

    /// Replaces the producer: a fatal error (lost idempotence) is permanent for one instance.
    fn replace(&self, broken: &Arc<LoggingProducer>) {
        match self.config.create_with_context::<_, LoggingProducer>(LogContext) {
            Ok(fresh) => {
                let before = self.current.compare_and_swap(broken, Arc::new(fresh));
                if Arc::ptr_eq(&before, broken) {
                    tracing::error!("the Kafka producer had a fatal error and was made again");
                }
            }
            Err(error) => tracing::error!(%error, "the Kafka producer could not be replaced"),
        }
    }
}

fn envelope(user: Uuid, event: &PendingEvent) -> Result<events::Envelope, &'static str> {
    Ok(events::Envelope {
        id: event.id.into(),
        event_type: events::EventType::parse(&event.event_type)
            .map_err(|_| "this version does not know the event type")?,
        subject: user,
        time: event.at.into(),
        sequence: u64::try_from(event.sequence).map_err(|_| "the sequence is negative")?,
        trace_parent: event.trace_parent.as_deref().and_then(events::TraceParent::parse),
    })
}
