//! librdkafka's mock cluster: Kafka's protocol in this process, for machines without Java and for injected errors.
//!
//! It keeps nothing over a restart, drops the oldest records beyond 5 MiB a partition, has no CreateTopics
//! (topics are made by [`MockKafka::create_topic`]), and waits three seconds at a group's first join. It also can
//! take the leader away from a partition, which is not offered here: a produce request to that partition then ends
//! this process (a null pointer in librdkafka 2.12.1).

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

/// The only broker; the mock counts from 1.
const BROKER: i32 = 1;

/// A running mock cluster of one broker. Dropping it ends it.
#[derive(Debug, Clone)]
pub struct MockKafka {
    brokers: String,
    /// The cluster is bound to one thread; what is to be done is sent to it.
    calls: mpsc::Sender<ClusterCall>,
}

impl MockKafka {
    /// Starts it on a port of its own choice.
    ///
    /// # Errors
    /// When librdkafka cannot make the cluster.
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

    /// `host:port` for clients.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Makes a topic; nothing happens if it exists.
    ///
    /// # Errors
    /// When the mock refuses it.
    pub async fn create_topic(&self, topic: &str, partitions: i32) -> Result<()> {
        let name = topic.to_owned();
        let made = self.run(move |cluster| cluster.create_topic(&name, partitions, 1)).await?;
        match made {
            Err(error) if format!("{error:?}").contains("TopicAlreadyExists") => Ok(()),
            other => other.with_context(|| format!("cannot make topic {topic} in the mock cluster")),
        }
    }

    /// Cuts all connections and accepts none until [`MockKafka::broker_up`]; records stay.
    ///
    /// # Errors
    /// When the mock refuses it.
    pub async fn broker_down(&self) -> Result<()> {
        Ok(self.run(|cluster| cluster.broker_down(BROKER)).await??)
    }

    /// Accepts connections again.
    ///
    /// # Errors
    /// When the mock refuses it.
    pub async fn broker_up(&self) -> Result<()> {
        Ok(self.run(|cluster| cluster.broker_up(BROKER)).await??)
    }

    /// Answers every request only after this delay.
    ///
    /// # Errors
    /// When the mock refuses it.
    pub async fn set_delay(&self, delay: Duration) -> Result<()> {
        Ok(self.run(move |cluster| cluster.broker_round_trip_time(BROKER, delay)).await??)
    }

    /// Answers the next requests of this kind with these errors, one each. `RD_KAFKA_RESP_ERR__TRANSPORT`
    /// closes the connection instead of answering.
    ///
    /// # Errors
    /// When the mock has ended.
    pub async fn request_errors(&self, api: RDKafkaApiKey, errors: Vec<RDKafkaRespErr>) -> Result<()> {
        self.run(move |cluster| cluster.request_errors(api, &errors)).await
    }

    /// Forgets the errors that [`MockKafka::request_errors`] has left for this kind.
    ///
    /// # Errors
    /// When the mock has ended.
    pub async fn clear_request_errors(&self, api: RDKafkaApiKey) -> Result<()> {
        self.run(move |cluster| cluster.clear_request_errors(api)).await
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
    async fn a_record_goes_through_a_forwarded_port_into_the_mock_and_out_again() {
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
    async fn a_broker_that_is_down_takes_nothing_and_one_that_is_up_again_does() {
        let mock = MockKafka::start().await.unwrap();
        mock.create_topic("t", 1).await.unwrap();
        mock.broker_down().await.unwrap();
        let brokers = mock.brokers().to_owned();
        assert!(!readiness::is_kafka_ready(&brokers, Duration::from_millis(500)).await);
        mock.broker_up().await.unwrap();
        let taken = tokio::task::spawn_blocking(move || produce(&brokers, "t", "again", SOON));
        assert!(taken.await.unwrap());
    }
}
