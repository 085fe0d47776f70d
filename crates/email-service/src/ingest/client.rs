//! librdkafka's client: its configuration, its callbacks, and how it is closed.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use rdkafka::{
    ClientConfig, ClientContext, Statistics, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance},
    error::KafkaError,
};
use service_kit::{Check, CheckState, Clock, kafka};

use super::{
    lag::{ConsumerLag, LagTracker, unread_records},
    offsets::AssignmentCounts,
};
use crate::{config::KafkaConfig, metrics::Metrics};

/// The maximum time to close a client, which may wait for unreachable brokers.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest session timeout that we request; brokers allow 6 s to 30 min.
const SESSION_TIMEOUT: Duration = Duration::from_secs(45);

/// Returns the configuration of the client: the operator's properties and the required ones.
///
/// # Errors
/// Returns an error if the operator sets a required property, or librdkafka refuses one.
pub fn client_config(
    kafka: &KafkaConfig,
    max_poll_interval: Duration,
    instance: &str,
) -> Result<ClientConfig, kafka::KafkaConfigError> {
    let poll = max_poll_interval.as_millis().to_string();
    let session = max_poll_interval.min(SESSION_TIMEOUT).as_millis().to_string();
    let required: &[(&str, &str)] = &[
        ("group.id", &kafka.group),
        ("client.id", instance),
        ("enable.auto.commit", "true"),
        ("enable.auto.offset.store", "false"),
        ("auto.offset.reset", "earliest"),
        ("partition.assignment.strategy", "cooperative-sticky"),
        ("isolation.level", "read_committed"),
        ("allow.auto.create.topics", "false"),
        ("max.poll.interval.ms", &poll),
        ("session.timeout.ms", &session),
        ("statistics.interval.ms", "1000"),
    ];
    // Better defaults, which the operator may change.
    let preferred = [
        ("auto.commit.interval.ms", "1000"),
        // The topic may be created after we have subscribed.
        ("topic.metadata.refresh.interval.ms", "5000"),
        ("fetch.queue.backoff.ms", "100"),
        ("queued.max.messages.kbytes", "16384"),
        ("reconnect.backoff.max.ms", "2000"),
        // A broker that does not respond is abandoned after this time, instead of a minute.
        ("socket.timeout.ms", "10000"),
        ("socket.keepalive.enable", "true"),
        ("log.connection.close", "false"),
    ];
    let mut properties = kafka.properties.0.clone();
    for (name, value) in preferred {
        properties.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    kafka::client_config(&kafka.brokers, &properties, required)
}

/// The callbacks of librdkafka.
pub(super) struct ConsumerCallbacks {
    pub(super) assignments: Arc<Mutex<AssignmentCounts>>,
    pub(super) lag: Arc<Mutex<LagTracker>>,
    pub(super) clock: Clock,
    pub(super) check: Check,
    pub(super) metrics: Metrics,
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
        let ConsumerLag { records, seconds } = self.lag.lock().measure(unread_records, self.clock.now());
        self.metrics.set_lag(records, seconds);
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
pub(super) fn close(client: BaseConsumer<ConsumerCallbacks>) {
    let (done, closed) = mpsc::channel();
    let closing = thread::Builder::new().name("kafka-close".to_owned()).spawn(move || {
        drop(client);
        let _ = done.send(());
    });
    if closing.is_err() || closed.recv_timeout(CLOSE_TIMEOUT).is_err() {
        tracing::warn!("the Kafka client does not close in time and is abandoned");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kafka(properties: &[(&str, &str)]) -> KafkaConfig {
        let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        KafkaConfig {
            brokers: "127.0.0.1:1".into(),
            topic: "t".into(),
            group: "g".into(),
            properties: kafka::Properties(properties.collect()),
        }
    }

    #[test]
    fn the_session_is_never_longer_than_the_poll_interval() {
        for (poll, session) in [(6, "6000"), (300, "45000")] {
            let config = client_config(&kafka(&[]), Duration::from_secs(poll), "here").unwrap();
            assert_eq!(config.get("session.timeout.ms"), Some(session));
        }
    }

    #[test]
    fn an_operator_cannot_override_required_properties() {
        let tuned = kafka(&[("fetch.queue.backoff.ms", "50")]);
        let config = client_config(&tuned, Duration::from_secs(60), "here").unwrap();
        assert_eq!(config.get("fetch.queue.backoff.ms"), Some("50"));
        for (name, value) in [("enable.auto.offset.store", "true"), ("auto.offset.reset", "latest"), ("group.id", "x")]
        {
            assert!(client_config(&kafka(&[(name, value)]), Duration::from_secs(60), "here").is_err(), "{name}");
        }
    }
}
