//! Writes arbitrary records into a topic.

use anyhow::Result;
use local_stack::wait_for::DEADLINE;
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};

/// Writes records over one connection, which clones share.
#[derive(Clone)]
pub struct Producer(FutureProducer);

impl Producer {
    /// Returns a producer for these brokers, which need not run yet.
    ///
    /// # Panics
    /// Panics if librdkafka cannot create a producer.
    #[must_use]
    pub fn new(brokers: &str) -> Self {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("partitioner", "murmur2_random")
            .set("allow.auto.create.topics", "false")
            .set("message.timeout.ms", DEADLINE.as_millis().to_string())
            // The broker's limit.
            .set("message.max.bytes", "1048588")
            .create();
        Self(producer.expect("these settings are valid"))
    }

    /// Writes one record to a given partition, or to the partition of the key. Returns the partition and the offset.
    ///
    /// # Errors
    /// Returns an error if the broker does not acknowledge the record within 30 s. The topic may contain it
    /// nevertheless.
    pub async fn try_produce(
        &self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, &str)],
    ) -> Result<(i32, i64)> {
        let mut all = OwnedHeaders::new();
        for (name, value) in headers {
            all = all.insert(Header { key: name, value: Some(*value) });
        }
        let mut record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(topic).headers(all);
        record.partition = partition;
        record.key = key;
        record.payload = value;
        match self.0.send(record, DEADLINE).await {
            Ok(delivery) => Ok((delivery.partition, delivery.offset)),
            Err((error, _)) => Err(error.into()),
        }
    }
}
