//! Watches the topics: creates one that is missing, and reports whether each has the number of
//! partitions that the relay expects. Nothing is published before that is known.

use std::{sync::Arc, time::Duration};

use events::topic;
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

/// Whether the relay may publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TopicState {
    /// The brokers do not respond, or have not responded yet.
    Unreachable,
    /// A topic has another number of partitions than the configuration: keys would move.
    WrongPartitionCount(i32),
    Ready,
}

/// A topic, and the settings with which it is created.
pub(super) struct Topic {
    name: String,
    settings: &'static [(&'static str, &'static str)],
}

impl Topic {
    /// Returns the topic of events, which forgets old records.
    pub(super) fn events(name: String) -> Self {
        Self { name, settings: topic::EVENT_SETTINGS }
    }

    /// Returns the topic of states, which keeps the last record of each user.
    pub(super) fn states(name: String) -> Self {
        Self { name, settings: topic::STATE_SETTINGS }
    }
}

/// Watches the topics.
pub(super) struct TopicWatch {
    pub producer: Arc<EventProducer>,
    pub client: ClientConfig,
    pub topics: Vec<Topic>,
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
            let metadata = tokio::task::spawn_blocking(move || watcher.fetch_all()).await.unwrap_or_default();
            let (mut now, mut topic) = (TopicState::Unreachable, &watch.topics[0]);
            for (found, metadata) in watch.topics.iter().zip(metadata) {
                topic = found;
                now = match metadata {
                    TopicMetadata::Partitions(count) if count == watch.partitions => TopicState::Ready,
                    TopicMetadata::Partitions(count) => TopicState::WrongPartitionCount(count),
                    TopicMetadata::Missing => {
                        watch.create(topic).await;
                        TopicState::Unreachable
                    }
                    TopicMetadata::Unreachable => TopicState::Unreachable,
                };
                if now != TopicState::Ready {
                    break;
                }
            }
            watch.report(now, topic, &state);
            let pause = if now == TopicState::Ready { PAUSE_WHILE_READY } else { PAUSE_WHILE_NOT_READY };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Reports the state of all topics. `topic` is the one that decided it.
    fn report(&self, now: TopicState, topic: &Topic, state: &watch::Sender<TopicState>) {
        let before = state.send_replace(now);
        let check = if now == TopicState::Ready { CheckState::Ok } else { CheckState::Degraded };
        self.check.set(check);
        if before == now {
            return;
        }
        match now {
            TopicState::Ready => tracing::info!(topic = topic.name, "the topic is ready, publishing"),
            TopicState::Unreachable => {
                tracing::warn!(topic = topic.name, "Kafka is not reachable; events wait in MongoDB");
            }
            TopicState::WrongPartitionCount(count) => tracing::error!(
                topic = topic.name,
                expected = self.partitions,
                found = count,
                "the topic has another number of partitions than kafka.partitions; not publishing"
            ),
        }
    }

    fn fetch_all(&self) -> Vec<TopicMetadata> {
        self.topics.iter().map(|topic| self.fetch(&topic.name)).collect()
    }

    fn fetch(&self, name: &str) -> TopicMetadata {
        let Ok(metadata) = self.producer.metadata(name, METADATA_DEADLINE) else {
            return TopicMetadata::Unreachable;
        };
        let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
            return TopicMetadata::Missing;
        };
        match topic.error().map(RDKafkaErrorCode::from) {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition) => TopicMetadata::Missing,
            Some(_) => TopicMetadata::Unreachable,
            None => TopicMetadata::Partitions(i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX)),
        }
    }

    async fn create(&self, topic: &Topic) {
        let admin: AdminClient<LogContext> = match self.client.create_with_context(LogContext) {
            Ok(admin) => admin,
            Err(error) => return tracing::warn!(%error, "the Kafka admin client could not be created"),
        };
        let (name, new) = (&topic.name, NewTopic::new(&topic.name, self.partitions, TopicReplication::Fixed(-1)));
        let new = topic.settings.iter().fold(new, |new, (setting, value)| new.set(setting, value));
        let options =
            AdminOptions::new().operation_timeout(Some(METADATA_DEADLINE)).request_timeout(Some(METADATA_DEADLINE));
        match admin.create_topics([&new], &options).await.map(|mut results| results.pop()) {
            Ok(Some(Ok(_))) => tracing::info!(topic = name, partitions = self.partitions, "created the topic"),
            Ok(Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists)))) | Ok(None) => {}
            Ok(Some(Err((_, code)))) => tracing::warn!(topic = name, %code, "the topic could not be created"),
            Err(error) => tracing::warn!(topic = name, %error, "the topic could not be created"),
        }
    }
}

enum TopicMetadata {
    Partitions(i32),
    Missing,
    Unreachable,
}
