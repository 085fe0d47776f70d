//! Watches the topic: creates it if it is missing, and reports whether it has the number of
//! partitions that the relay expects. No event is published before that is known.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    error::RDKafkaErrorCode,
};
use service_kit::{Check, CheckState, kafka::LogContext};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::producer::EventProducer;

const METADATA_DEADLINE: Duration = Duration::from_secs(3);
const PAUSE_WHILE_NOT_READY: Duration = Duration::from_millis(500);
const PAUSE_WHILE_READY: Duration = Duration::from_secs(3);
/// 7 days.
const RETENTION_MS: &str = "604800000";
/// One day. Kafka deletes a segment as a whole, when its newest record has exceeded the retention. So a record
/// stays for at most the retention and the time of a segment.
const SEGMENT_MS: &str = "86400000";

/// Whether the relay may publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TopicState {
    /// The brokers do not respond, or have not responded yet.
    Unreachable,
    /// The topic has another number of partitions than the configuration: keys would move.
    WrongPartitionCount(i32),
    Ready,
}

/// Watches one topic.
pub(super) struct TopicWatch {
    pub producer: Arc<EventProducer>,
    pub client: ClientConfig,
    pub topic: String,
    pub partitions: i32,
    pub check: Check,
}

impl TopicWatch {
    /// Watches until `stop`, and reports each result to `state` and to the check.
    pub(super) async fn run(self, state: watch::Sender<TopicState>, stop: CancellationToken) {
        let watch = Arc::new(self);
        loop {
            let watcher = Arc::clone(&watch);
            // The request blocks its thread until the brokers respond.
            let metadata =
                tokio::task::spawn_blocking(move || watcher.fetch()).await.unwrap_or(TopicMetadata::Unreachable);
            let now = match metadata {
                TopicMetadata::Partitions(count) if count == watch.partitions => TopicState::Ready,
                TopicMetadata::Partitions(count) => TopicState::WrongPartitionCount(count),
                TopicMetadata::Missing => {
                    watch.create().await;
                    TopicState::Unreachable
                }
                TopicMetadata::Unreachable => TopicState::Unreachable,
            };
            watch.report(now, &state);
            let pause = if now == TopicState::Ready { PAUSE_WHILE_READY } else { PAUSE_WHILE_NOT_READY };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn report(&self, now: TopicState, state: &watch::Sender<TopicState>) {
        let before = state.send_replace(now);
        let check = if now == TopicState::Ready { CheckState::Ok } else { CheckState::Degraded };
        self.check.set(check);
        if before == now {
            return;
        }
        match now {
            TopicState::Ready => tracing::info!(topic = self.topic, "the topic is ready, publishing"),
            TopicState::Unreachable => {
                tracing::warn!(topic = self.topic, "Kafka is not reachable; events wait in MongoDB");
            }
            TopicState::WrongPartitionCount(count) => tracing::error!(
                topic = self.topic,
                expected = self.partitions,
                found = count,
                "the topic has another number of partitions than kafka.partitions; not publishing"
            ),
        }
    }

    fn fetch(&self) -> TopicMetadata {
        let Ok(metadata) = self.producer.metadata(&self.topic, METADATA_DEADLINE) else {
            return TopicMetadata::Unreachable;
        };
        let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == self.topic) else {
            return TopicMetadata::Missing;
        };
        match topic.error().map(RDKafkaErrorCode::from) {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition) => TopicMetadata::Missing,
            Some(_) => TopicMetadata::Unreachable,
            None => TopicMetadata::Partitions(i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX)),
        }
    }

    async fn create(&self) {
        let admin: AdminClient<LogContext> = match self.client.create_with_context(LogContext) {
            Ok(admin) => admin,
            Err(error) => return tracing::warn!(%error, "the Kafka admin client could not be created"),
        };
        let topic = NewTopic::new(&self.topic, self.partitions, TopicReplication::Fixed(-1))
            .set("retention.ms", RETENTION_MS)
            .set("segment.ms", SEGMENT_MS);
        let options =
            AdminOptions::new().operation_timeout(Some(METADATA_DEADLINE)).request_timeout(Some(METADATA_DEADLINE));
        match admin.create_topics([&topic], &options).await.map(|mut results| results.pop()) {
            Ok(Some(Ok(_))) => tracing::info!(topic = self.topic, partitions = self.partitions, "created the topic"),
            Ok(Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists)))) | Ok(None) => {}
            Ok(Some(Err((_, code)))) => tracing::warn!(topic = self.topic, %code, "the topic could not be created"),
            Err(error) => tracing::warn!(topic = self.topic, %error, "the topic could not be created"),
        }
    }
}

enum TopicMetadata {
    Partitions(i32),
    Missing,
    Unreachable,
}
