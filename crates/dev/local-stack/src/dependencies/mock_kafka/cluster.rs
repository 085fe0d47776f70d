//! librdkafka's mock cluster: Kafka's protocol in this process, for machines without Java and for injected errors.
//!
//! The cluster loses all records on restart, drops the oldest records of a partition beyond 5 MiB, does not support
//! CreateTopics (use [`MockKafka::create_topic`]), and waits three seconds when the first member joins a group. It can
//! also remove the leader of a partition, but this module does not offer that: a produce request to such a partition
//! ends this process (a null pointer in librdkafka 2.12.1).

use std::{sync::mpsc, thread, time::Duration};

use anyhow::{Context as _, Result};
use rdkafka::{
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use tokio::sync::oneshot;

type Cluster = MockCluster<'static, DefaultProducerContext>;
type ClusterCall = Box<dyn FnOnce(&Cluster) + Send>;

/// The id of the only broker; the mock cluster counts from 1.
const BROKER: i32 = 1;

/// A running mock cluster of one broker. It ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct MockKafka {
    brokers: String,
    /// Calls for the thread that owns the cluster, because the cluster is bound to one thread.
    calls: mpsc::Sender<ClusterCall>,
}

impl MockKafka {
    /// Starts a cluster on a port that librdkafka chooses.
    ///
    /// # Errors
    /// Returns an error if librdkafka cannot create the cluster.
    pub async fn start() -> Result<Self> {
        let (calls, received) = mpsc::channel::<ClusterCall>();
        let (started, start) = oneshot::channel();
        thread::Builder::new().name("mock-kafka".to_owned()).spawn(move || match Cluster::new(1) {
            Err(error) => drop(started.send(Err(error))),
            Ok(cluster) => {
                let _ = started.send(Ok(cluster.bootstrap_servers()));
                for call in received {
                    call(&cluster);
                }
            }
        })?;
        let brokers = start.await.context("the mock cluster's thread ended")??;
        Ok(Self { brokers, calls })
    }

    /// Returns `host:port` for clients.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Creates a topic. An existing topic is left as it is.
    ///
    /// # Errors
    /// Returns an error if the mock cluster refuses the call.
    pub async fn create_topic(&self, topic: &str, partitions: i32) -> Result<()> {
        let name = topic.to_owned();
        let created = self.run(move |cluster| cluster.create_topic(&name, partitions, 1)).await?;
        match created {
            Err(error) if format!("{error:?}").contains("TopicAlreadyExists") => Ok(()),
            other => other.with_context(|| format!("cannot create topic {topic} in the mock cluster")),
        }
    }

    /// Closes all connections and accepts none until [`MockKafka::broker_up`]. The records are kept.
    ///
    /// # Errors
    /// Returns an error if the mock cluster refuses the call.
    pub async fn broker_down(&self) -> Result<()> {
        Ok(self.run(|cluster| cluster.broker_down(BROKER)).await??)
    }

    /// Accepts connections again.
    ///
    /// # Errors
    /// Returns an error if the mock cluster refuses the call.
    pub async fn broker_up(&self) -> Result<()> {
        Ok(self.run(|cluster| cluster.broker_up(BROKER)).await??)
    }

    /// Delays the response to every request.
    ///
    /// # Errors
    /// Returns an error if the mock cluster refuses the call.
    pub async fn set_delay(&self, delay: Duration) -> Result<()> {
        Ok(self.run(move |cluster| cluster.broker_round_trip_time(BROKER, delay)).await??)
    }

    /// Answers each of the next requests to `api` with the next one of these errors. `RD_KAFKA_RESP_ERR__TRANSPORT`
    /// closes the connection instead.
    ///
    /// # Errors
    /// Returns an error if the mock cluster has ended.
    pub async fn request_errors(&self, api: RDKafkaApiKey, errors: Vec<RDKafkaRespErr>) -> Result<()> {
        self.run(move |cluster| cluster.request_errors(api, &errors)).await
    }

    async fn run<T: Send + 'static>(&self, call: impl FnOnce(&Cluster) -> T + Send + 'static) -> Result<T> {
        let (result_sender, result) = oneshot::channel();
        let call: ClusterCall = Box::new(move |cluster| drop(result_sender.send(call(cluster))));
        self.calls.send(call).ok().context("the mock cluster has ended")?;
        result.await.context("the mock cluster has ended")
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::{
        ClientConfig, Message as _,
        consumer::{BaseConsumer, Consumer as _},
        producer::{BaseProducer, BaseRecord, Producer as _},
    };

    use super::*;
    use crate::{dependencies::readiness, network::tcp_proxy::TcpProxy};

    const SOON: Duration = Duration::from_secs(20);

    fn produce(brokers: &str, topic: &str, value: &str, deadline: Duration) -> bool {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("message.timeout.ms", deadline.as_millis().to_string())
            .create()
            .unwrap();
        producer.send(BaseRecord::<str, str>::to(topic).payload(value)).unwrap();
        producer.flush(deadline + Duration::from_secs(1)).is_ok() && producer.in_flight_count() == 0
    }

    fn consume(brokers: &str, topic: &str) -> Option<String> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "test")
            .set("auto.offset.reset", "earliest")
            .create()
            .unwrap();
        consumer.subscribe(&[topic]).unwrap();
        let end = std::time::Instant::now() + SOON;
        while std::time::Instant::now() < end {
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) {
                return message.payload().map(|value| String::from_utf8_lossy(value).into_owned());
            }
        }
        None
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_record_is_produced_and_consumed_through_a_forwarded_port() {
        let mock = MockKafka::start().await.unwrap();
        mock.create_topic("user.events", 12).await.unwrap();
        mock.create_topic("user.events", 12).await.unwrap();
        let forwarder = TcpProxy::start(mock.brokers()).await.unwrap();
        let address = forwarder.address();
        let consumed = tokio::task::spawn_blocking(move || {
            assert!(produce(&address, "user.events", "hello", SOON));
            consume(&address, "user.events")
        });
        assert_eq!(consumed.await.unwrap().as_deref(), Some("hello"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_broker_that_is_down_accepts_no_records_and_accepts_them_again_when_it_is_up() {
        let mock = MockKafka::start().await.unwrap();
        mock.create_topic("t", 1).await.unwrap();
        mock.broker_down().await.unwrap();
        let brokers = mock.brokers().to_owned();
        assert!(!readiness::is_kafka_ready(&brokers, Duration::from_millis(500)).await);
        mock.broker_up().await.unwrap();
        let produced = tokio::task::spawn_blocking(move || produce(&brokers, "t", "again", SOON));
        assert!(produced.await.unwrap());
    }
}
