//! Reads the records of a topic from its beginning.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use local_stack::wait_for::DEADLINE;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};

use super::record::Record;

const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// The maximum duration of one poll.
const POLL: Duration = Duration::from_millis(50);

/// Reads a topic from its beginning, with its own consumer and without a consumer group.
pub struct TopicReader {
    brokers: String,
    topic: String,
    /// The consumer; created at the first read, when the partitions of the topic are known.
    consumer: Arc<Mutex<Option<BaseConsumer>>>,
    records: Vec<Record>,
}

impl TopicReader {
    /// Returns a reader that has read nothing yet; the topic need not exist.
    #[must_use]
    pub fn new(brokers: &str, topic: &str) -> Self {
        Self { brokers: brokers.to_owned(), topic: topic.to_owned(), consumer: Arc::default(), records: Vec::new() }
    }

    /// Returns the records that were read so far. Those of one partition are in the order of their offsets.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Reads until the records so far satisfy the predicate. `what` names the condition in the message.
    ///
    /// # Panics
    /// Panics with a list of the records if the predicate is not satisfied by the deadline.
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
                "{what}: not within {deadline:?}; the records in {} are\n{}",
                self.topic,
                self.summary()
            );
            self.poll().await;
        }
        &self.records
    }

    /// Reads until there are `count` records of this event type, and returns the records of the type.
    ///
    /// # Panics
    /// Panics if there are fewer at the deadline.
    pub async fn read_type(&mut self, event_type: &str, count: usize) -> Vec<Record> {
        let what = format!("{count} × {event_type}");
        of_type(
            self.read_until(DEADLINE, &what, |records| of_type(records, event_type).len() >= count).await,
            event_type,
        )
    }

    /// Reads all records that are in the topic at the time of the call, and returns those of this event type.
    ///
    /// # Panics
    /// Panics if this takes longer than 30 s.
    pub async fn read_all_of_type(&mut self, event_type: &str) -> Vec<Record> {
        of_type(self.read_all().await, event_type)
    }

    /// Reads all records that are in the topic at the time of the call.
    ///
    /// # Panics
    /// Panics if this takes longer than 30 s.
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
                    Some(Ok(message)) => found.push(Record::from_message(&message)),
                    // Errors of a broker that is down are returned here; the next poll reconnects.
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

    /// Returns the end offset of each partition; 0 for a partition without records, so that it counts as read.
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

    /// Calls `work` with the consumer on a blocking thread. Returns `None` while the topic does not exist.
    async fn with_consumer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&BaseConsumer, &str) -> Option<T> + Send + 'static,
    ) -> Option<T> {
        let (brokers, topic, slot) = (self.brokers.clone(), self.topic.clone(), Arc::clone(&self.consumer));
        tokio::task::spawn_blocking(move || {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.is_none() {
                *slot = open_consumer(&brokers, &topic);
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
        if lines.is_empty() { "  none".to_owned() } else { lines.join("\n") }
    }
}

fn of_type(records: &[Record], event_type: &str) -> Vec<Record> {
    records.iter().filter(|record| record.event_type() == event_type).cloned().collect()
}

fn open_consumer(brokers: &str, topic: &str) -> Option<BaseConsumer> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        // The library requires a group id but does not use it: partitions are assigned and no offsets are stored.
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
