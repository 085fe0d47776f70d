//! librdkafka without a service, configured as in the user service.

use std::{
    collections::VecDeque,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use events::{Envelope, Event};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord},
};
use tokio::sync::mpsc;

/// The number of partitions of every topic in the benchmark.
pub(crate) const PARTITIONS: i32 = 12;

/// How long one poll of a reader waits for a record.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// A record that follows the contract.
pub(crate) struct ProducerRecord {
    key: String,
    partition: i32,
    value: String,
    headers: OwnedHeaders,
}

impl ProducerRecord {
    pub(crate) fn from_event(event: &Event) -> Self {
        Self::new(&event.envelope, event.payload.to_json())
    }

    pub(crate) fn new(envelope: &Envelope, value: String) -> Self {
        let key = envelope.key();
        let headers = envelope.headers().into_iter();
        let headers = headers
            .fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(value.as_bytes()) }));
        let partition = events::topic::partition_of(key.as_bytes(), PARTITIONS);
        Self { key, partition, value, headers }
    }
}

/// An idempotent producer with `acks=all`.
pub(crate) struct Producer(FutureProducer);

impl Producer {
    pub(crate) fn new(brokers: &str) -> Result<Self> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("allow.auto.create.topics", "false")
            .set("linger.ms", "0")
            .set("compression.type", "lz4")
            .set("queue.buffering.max.kbytes", "65536")
            .set("socket.nagle.disable", "true")
            .create()?;
        Ok(Self(producer))
    }

    /// Sends one record and waits for its acknowledgement.
    pub(crate) async fn send(&self, topic: &str, record: &ProducerRecord) -> Result<()> {
        let delivery = self.enqueue(topic, record).map_err(|error| anyhow!(error))?;
        confirmed(delivery).await
    }

    /// Sends all records, with as many in flight as librdkafka permits, and waits for their acknowledgements.
    pub(crate) async fn send_all(&self, topic: &str, records: &[ProducerRecord]) -> Result<()> {
        let mut in_flight = VecDeque::new();
        for record in records {
            loop {
                match self.enqueue(topic, record) {
                    Ok(delivery) => break in_flight.push_back(delivery),
                    Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                        confirmed(in_flight.pop_front().context("the queue is full although nothing is in flight")?)
                            .await?;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        for delivery in in_flight {
            confirmed(delivery).await?;
        }
        Ok(())
    }

    fn enqueue(&self, topic: &str, record: &ProducerRecord) -> Result<DeliveryFuture, KafkaError> {
        let message = FutureRecord::to(topic)
            .partition(record.partition)
            .key(&record.key)
            .payload(&record.value)
            .headers(record.headers.clone());
        self.0.send_result(message).map_err(|(error, _)| error)
    }
}

async fn confirmed(delivery: DeliveryFuture) -> Result<()> {
    delivery.await.context("the producer was dropped")?.map(drop).map_err(|(error, _)| error.into())
}

/// Reports when records arrive from a topic. A dedicated thread reads them, as in the email service.
pub(crate) struct RecordArrivals(mpsc::UnboundedReceiver<Instant>);

impl RecordArrivals {
    /// Reads the topic from its beginning.
    pub(crate) fn from_topic(brokers: &str, topic: &str) -> Result<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", topic)
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("fetch.queue.backoff.ms", "100")
            .create()?;
        let mut partitions = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            partitions.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&partitions)?;
        let (sender, arrivals) = mpsc::unbounded_channel();
        thread::spawn(move || {
            // The thread ends when the receiver is dropped.
            while !sender.is_closed() {
                if let Some(Ok(_)) = consumer.poll(POLL_TIMEOUT) {
                    let _ = sender.send(Instant::now());
                }
            }
        });
        Ok(Self(arrivals))
    }

    /// Returns the arrival time of the next record.
    pub(crate) async fn next(&mut self) -> Result<Instant> {
        self.0.recv().await.context("the reader thread has ended")
    }
}
