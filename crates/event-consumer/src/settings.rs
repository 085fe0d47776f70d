//! The settings of a consumer, and the properties of librdkafka that follow from them.

use std::time::Duration;

use rdkafka::ClientConfig;
use service_kit::kafka::{self, KafkaConfigError, Properties};

/// The minimum of [`Settings::max_poll_interval`]. Brokers refuse shorter sessions
/// (`group.min.session.timeout.ms`).
pub const SHORTEST_POLL_INTERVAL: Duration = Duration::from_secs(6);
/// The default of [`Settings::max_poll_interval`].
const POLL_INTERVAL: Duration = Duration::from_secs(60);
/// The longest session timeout that we request; brokers allow 6 s to 30 min.
const SESSION_TIMEOUT: Duration = Duration::from_secs(45);

/// What a consumer reads, and as which member of which group.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The brokers: `host:port`, separated by commas.
    pub brokers: String,
    /// The topic. It may be created later.
    pub topic: String,
    /// The consumer group. Its first member reads the topic from the beginning.
    pub group: String,
    /// Properties of librdkafka, such as those of TLS and SASL.
    pub properties: Properties,
    /// The time without a poll after which the group gives the partitions of a process that stands
    /// still to others; at least [`SHORTEST_POLL_INTERVAL`].
    pub max_poll_interval: Duration,
    /// The name of this process (`client.id`).
    pub instance: String,
}

/// The checked settings, for a [`Consumer`](crate::Consumer).
#[derive(Debug, Clone)]
pub struct Subscription {
    pub(crate) topic: String,
    pub(crate) client: ClientConfig,
}

impl Settings {
    /// Returns settings without properties, with a poll interval of 60 s, and the group's name as
    /// that of the instance. All of them are public members.
    #[must_use]
    pub fn new(brokers: impl Into<String>, topic: impl Into<String>, group: impl Into<String>) -> Self {
        let group = group.into();
        Self {
            brokers: brokers.into(),
            topic: topic.into(),
            instance: group.clone(),
            group,
            properties: Properties::default(),
            max_poll_interval: POLL_INTERVAL,
        }
    }

    /// Checks the settings, as far as that is possible without a broker.
    ///
    /// # Errors
    /// Returns an error if the properties contain a required one, or librdkafka refuses one.
    pub fn check(&self) -> Result<Subscription, KafkaConfigError> {
        let poll = self.max_poll_interval.as_millis().to_string();
        let session = self.max_poll_interval.min(SESSION_TIMEOUT).as_millis().to_string();
        let required: &[(&str, &str)] = &[
            ("group.id", &self.group),
            ("client.id", &self.instance),
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
        let mut properties = self.properties.0.clone();
        for (name, value) in preferred {
            properties.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        let client = kafka::client_config(&self.brokers, &properties, required)?;
        Ok(Subscription { topic: self.topic.clone(), client })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(properties: &[(&str, &str)], max_poll_interval: Duration) -> Settings {
        let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let properties = Properties(properties.collect());
        Settings { properties, max_poll_interval, ..Settings::new("127.0.0.1:1", "t", "g") }
    }

    #[test]
    fn the_session_is_never_longer_than_the_poll_interval() {
        for (poll, session) in [(6, "6000"), (300, "45000")] {
            let subscription = settings(&[], Duration::from_secs(poll)).check().unwrap();
            assert_eq!(subscription.client.get("session.timeout.ms"), Some(session));
        }
    }

    #[test]
    fn an_operator_cannot_override_required_properties() {
        let minute = Duration::from_secs(60);
        let tuned = settings(&[("fetch.queue.backoff.ms", "50")], minute).check().unwrap();
        assert_eq!(tuned.client.get("fetch.queue.backoff.ms"), Some("50"));
        for (name, value) in [("enable.auto.offset.store", "true"), ("auto.offset.reset", "latest"), ("group.id", "x")]
        {
            assert!(settings(&[(name, value)], minute).check().is_err(), "{name}");
        }
    }
}
