//! librdkafka's client: its callbacks, and how it is closed.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Statistics, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance},
    error::KafkaError,
};
use service_kit::{Check, CheckState, Clock, kafka};

use crate::{
    handler::Observer,
    lag::{LagTracker, unread_records},
    offsets::AssignmentCounts,
};

/// The maximum time to close a client, which may wait for unreachable brokers.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The callbacks of librdkafka.
pub(crate) struct ConsumerCallbacks {
    pub(crate) assignments: Arc<Mutex<AssignmentCounts>>,
    pub(crate) lag: Arc<Mutex<LagTracker>>,
    pub(crate) clock: Clock,
    pub(crate) check: Check,
    pub(crate) observer: Arc<dyn Observer>,
}

impl ClientContext for ConsumerCallbacks {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        kafka::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        kafka::log_error(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let up = statistics.brokers.values().any(|broker| broker.state == "UP");
        self.check.set(if up { CheckState::Ok } else { CheckState::Down });
        let unread_records = |topic: &str, partition: i32| {
            statistics.topics.get(topic).and_then(|topic| topic.partitions.get(&partition)).map_or(0, unread_records)
        };
        let lag = self.lag.lock().measure(unread_records, self.clock.now());
        self.observer.lag(lag);
    }
}

impl ConsumerContext for ConsumerCallbacks {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                tracing::info!(partitions = %partition_numbers(partitions), "partitions assigned");
                let (mut lag, now) = (self.lag.lock(), self.clock.now());
                for partition in partitions.elements() {
                    lag.assigned(partition.topic(), partition.partition(), now);
                }
            }
            Rebalance::Revoke(partitions) => {
                tracing::info!(partitions = %partition_numbers(partitions), "partitions revoked");
                let (mut assignments, mut lag) = (self.assignments.lock(), self.lag.lock());
                for partition in partitions.elements() {
                    assignments.revoked(partition.topic(), partition.partition());
                    lag.revoked(partition.topic(), partition.partition());
                }
            }
            Rebalance::Error(error) => tracing::warn!(%error, "rebalance failed"),
        }
    }

    /// Resumes partitions that are assigned again. librdkafka remembers that a partition was paused
    /// before it was revoked, and would never read it again.
    fn post_rebalance(&self, client: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = rebalance
            && let Err(error) = client.resume(partitions)
        {
            tracing::warn!(%error, "partitions that were assigned again cannot be resumed");
        }
    }
}

fn partition_numbers(partitions: &TopicPartitionList) -> String {
    let numbers: Vec<String> = partitions.elements().iter().map(|element| element.partition().to_string()).collect();
    numbers.join(",")
}

/// Leaves the group and commits the stored offsets. librdkafka may wait for unreachable brokers, so
/// this happens on a thread of its own, for which the caller waits only a limited time.
pub(crate) fn close(client: BaseConsumer<ConsumerCallbacks>) {
    let (done, closed) = mpsc::channel();
    let closing = thread::Builder::new().name("kafka-close".to_owned()).spawn(move || {
        drop(client);
        let _ = done.send(());
    });
    if closing.is_err() || closed.recv_timeout(CLOSE_TIMEOUT).is_err() {
        tracing::warn!("the Kafka client does not close in time and is abandoned");
    }
}
