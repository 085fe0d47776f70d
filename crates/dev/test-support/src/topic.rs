//! A topic from a test's side: make it, read all of it, write anything into it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    error::RDKafkaErrorCode,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};

use crate::{BrokerKind, DEADLINE, Record};

const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// How long one look into the topic takes at most.
const POLL: Duration = Duration::from_millis(50);

/// Makes a topic; nothing happens if it exists.
///
/// # Panics
/// When it cannot be made.
pub async fn create_topic(brokers: &str, kind: &BrokerKind, topic: &str, partitions: i32) {
    if let Err(error) = try_create_topic(brokers, kind, topic, partitions).await {
        panic!("{error:#}");
    }
}

/// Makes a topic; nothing happens if it exists.
///
/// # Errors
/// When it cannot be made, for example because the broker is down.
pub async fn try_create_topic(brokers: &str, kind: &BrokerKind, topic: &str, partitions: i32) -> Result<()> {
    if let BrokerKind::Embedded { control } = kind {
        let url = format!("{control}/topics/{topic}?partitions={partitions}");
        let client = reqwest::Client::builder().no_proxy().timeout(CALL_DEADLINE).build()?;
        client.put(url).send().await?.error_for_status().context("the embedded broker's control endpoint")?;
        return Ok(());
    }
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let options = AdminOptions::new().operation_timeout(Some(CALL_DEADLINE)).request_timeout(Some(CALL_DEADLINE));
    for result in admin.create_topics([&new], &options).await? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => bail!("topic {name} cannot be made: {code}"),
        }
    }
    Ok(())
}

/// Takes a topic away, with all that is in it. Only a real broker can.
///
/// # Panics
/// When it does not.
pub async fn delete_topic(brokers: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("these settings are valid");
    let options = AdminOptions::new().operation_timeout(Some(CALL_DEADLINE)).request_timeout(Some(CALL_DEADLINE));
    let deleted = admin.delete_topics(&[topic], &options).await.expect("the broker answers");
    assert!(deleted.iter().all(Result::is_ok), "{topic} was not deleted: {deleted:?}");
}

/// Writes records, one connection for all of them. Clones share it.
#[derive(Clone)]
pub struct Producer(FutureProducer);

impl Producer {
    /// A producer to these brokers; they need not be there yet.
    ///
    /// # Panics
    /// When librdkafka gives none.
    #[must_use]
    pub fn new(brokers: &str) -> Self {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("partitioner", "murmur2_random")
            .set("allow.auto.create.topics", "false")
            .set("message.timeout.ms", DEADLINE.as_millis().to_string())
            // As large as the broker takes.
            .set("message.max.bytes", "1048588")
            .create();
        Self(producer.expect("these settings are valid"))
    }

    /// Writes one record, to a given partition or where the key says. Returns partition and offset.
    ///
    /// # Panics
    /// When the broker does not take it.
    pub async fn produce(
        &self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, &str)],
    ) -> (i32, i64) {
        let produced = self.try_produce(topic, partition, key, value, headers).await;
        produced.unwrap_or_else(|error| panic!("the record was not taken: {error}"))
    }

    /// Writes one record, to a given partition or where the key says. Returns partition and offset.
    ///
    /// # Errors
    /// When the broker does not confirm it within 30 s; it may be in the topic all the same.
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

/// Writes one record, to a given partition or where the key says. Returns partition and offset.
///
/// # Panics
/// When the broker does not take it.
pub async fn produce(
    brokers: &str,
    topic: &str,
    partition: Option<i32>,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[(&str, &str)],
) -> (i32, i64) {
    Producer::new(brokers).produce(topic, partition, key, value, headers).await
}

/// Reads a topic from its beginning, with a consumer of its own and without a group.
pub struct TopicReader {
    brokers: String,
    topic: String,
    /// Made at the first read, when the topic's partitions are known.
    consumer: Arc<Mutex<Option<BaseConsumer>>>,
    records: Vec<Record>,
}

impl TopicReader {
    /// A reader that has read nothing yet; the topic need not exist.
    #[must_use]
    pub fn new(brokers: &str, topic: &str) -> Self {
        Self { brokers: brokers.to_owned(), topic: topic.to_owned(), consumer: Arc::default(), records: Vec::new() }
    }

    /// All that was read so far; of one partition in the order of the offsets.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Reads on until what was read so far satisfies the predicate.
    ///
    /// # Panics
    /// When it does not by the deadline; with a list of what is there.
    pub async fn read_until(
        &mut self,
        deadline: Duration,
        what: &str,
        mut predicate: impl FnMut(&[Record]) -> bool,
    ) -> &[Record] {
        let end = Instant::now() + deadline;
        while !predicate(&self.records) {
            assert!(
                Instant::now() < end,
                "{what}: not within {deadline:?}; in {} there is\n{}",
                self.topic,
                self.summary()
            );
            self.poll().await;
        }
        &self.records
    }

    /// Reads until there are `count` records of this type.
    ///
    /// # Panics
    /// When there are fewer at the deadline.
    pub async fn read_type(&mut self, event_type: &str, count: usize) -> Vec<Record> {
        let of_type = |records: &[Record]| records.iter().filter(|record| record.event_type() == event_type).count();
        let what = format!("{count} × {event_type}");
        self.read_until(DEADLINE, &what, |records| of_type(records) >= count).await;
        self.records.iter().filter(|record| record.event_type() == event_type).cloned().collect()
    }

    /// Reads everything that is in the topic when it is called.
    ///
    /// # Panics
    /// When that takes longer than 30 s.
    pub async fn read_all(&mut self) -> &[Record] {
        let end = Instant::now() + DEADLINE;
        loop {
            let marks = self.high_watermarks().await;
            let behind = |(partition, high): &(i32, i64)| {
                let read = self.records.iter().filter(|r| r.partition == *partition).map(|r| r.offset + 1).max();
                read.unwrap_or(0) < *high
            };
            match marks {
                Some(marks) if !marks.iter().any(behind) => return &self.records,
                _ => assert!(Instant::now() < end, "{} could not be read to its end", self.topic),
            }
            self.poll().await;
        }
    }

    async fn poll(&mut self) {
        let found = self.with_consumer(|consumer, _| {
            let mut found = Vec::new();
            let end = Instant::now() + POLL;
            loop {
                match consumer.poll(end.saturating_duration_since(Instant::now())) {
                    Some(Ok(message)) => found.push(Record::of(&message)),
                    // Errors of a broker that is down come up here; the next poll reconnects.
                    Some(Err(_)) => {}
                    None => return Some(found),
                }
                if found.len() >= 1_000 || Instant::now() >= end {
                    return Some(found);
                }
            }
        });
        self.records.extend(found.await.unwrap_or_default());
    }

    /// The end of every partition that still has records (an empty log counts as read).
    async fn high_watermarks(&self) -> Option<Vec<(i32, i64)>> {
        self.with_consumer(|consumer, topic| {
            let assignment = consumer.assignment().ok()?;
            let mark = |partition: i32| {
                let (low, high) = consumer.fetch_watermarks(topic, partition, CALL_DEADLINE).ok()?;
                Some((partition, if low == high { 0 } else { high }))
            };
            assignment.elements().iter().map(|element| mark(element.partition())).collect()
        })
        .await
    }

    /// Works with the consumer on a thread that may block; `None` while the topic does not exist.
    async fn with_consumer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&BaseConsumer, &str) -> Option<T> + Send + 'static,
    ) -> Option<T> {
        let (brokers, topic, slot) = (self.brokers.clone(), self.topic.clone(), Arc::clone(&self.consumer));
        tokio::task::spawn_blocking(move || {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.is_none() {
                *slot = open(&brokers, &topic);
                if slot.is_none() {
                    std::thread::sleep(POLL);
                }
            }
            work(slot.as_ref()?, &topic)
        })
        .await
        .expect("reading a topic does not panic")
    }

    fn summary(&self) -> String {
        let line = |r: &Record| {
            format!(
                "  {}/{} {} {} key {} sequence {}",
                r.partition,
                r.offset,
                r.event_type(),
                r.id(),
                r.key_text(),
                r.sequence()
            )
        };
        let lines: Vec<String> = self.records.iter().rev().take(50).rev().map(line).collect();
        if lines.is_empty() { "  nothing".to_owned() } else { lines.join("\n") }
    }
}

fn open(brokers: &str, topic: &str) -> Option<BaseConsumer> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        // Demanded by the library, never used: partitions are assigned, offsets not stored.
        .set("group.id", "test-reader")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("allow.auto.create.topics", "false")
        .set("fetch.wait.max.ms", "50")
        .create()
        .expect("these settings are valid");
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(2)).ok()?;
    let partitions = metadata.topics().first()?.partitions();
    if partitions.is_empty() {
        return None;
    }
    let mut assignment = TopicPartitionList::new();
    for partition in partitions {
        assignment.add_partition_offset(topic, partition.id(), Offset::Beginning).ok()?;
    }
    consumer.assign(&assignment).ok()?;
    Some(consumer)
}
