//! A Kafka broker that only one test uses.

use anyhow::Result;
use local_stack::{
    dependencies::{
        Dependencies, KafkaBackend, PARTITIONS, ServerFiles,
        kafka::{Kafka, KafkaSpec, SecureListener},
        mock_kafka::{MockControl, MockKafka},
    },
    network::ports::Port,
};

use super::files::{data_directory, expect_ok, log_file};
use crate::{
    kafka::create_topic,
    stack::{BrokerKind, Stack},
};

/// A broker that only one test uses. By default it is real or embedded like the shared broker.
#[derive(Debug)]
pub struct IsolatedKafka {
    broker: Broker,
    /// The ports, reserved so that no other test takes them while the broker is down.
    _ports: [Port; 2],
}

#[derive(Debug)]
enum Broker {
    ApacheKafka(Box<Kafka>),
    Embedded { mock: MockKafka, control: MockControl },
}

impl IsolatedKafka {
    /// Starts a broker of the same kind as the shared one.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub async fn start(stack: &Stack, name: &str) -> Self {
        expect_ok(Self::try_start(stack, name, None, None).await)
    }

    /// Starts a broker with a second listener for TLS and SASL/SCRAM. The embedded broker does not support this.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub async fn start_secure(stack: &Stack, name: &str, secure: SecureListener) -> Self {
        expect_ok(Self::try_start(stack, name, None, Some(secure)).await)
    }

    /// Starts a broker that advertises this port, on which a proxy of the test listens. The embedded broker does not
    /// support this.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub async fn start_advertised(stack: &Stack, name: &str, advertised_port: u16) -> Self {
        expect_ok(Self::try_start(stack, name, Some(advertised_port), None).await)
    }

    /// Starts an embedded broker, whatever the shared one is, to inject errors that a real broker cannot inject.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub async fn start_embedded() -> Self {
        expect_ok(Self::try_start_embedded().await)
    }

    async fn try_start_embedded() -> Result<Self> {
        let ports = [Port::free()?, Port::free()?];
        Ok(Self { broker: start_embedded_broker(&ports[1]).await?, _ports: ports })
    }

    async fn try_start(
        stack: &Stack,
        name: &str,
        advertised_port: Option<u16>,
        secure: Option<SecureListener>,
    ) -> Result<Self> {
        let ports = [Port::free()?, Port::free()?];
        let dependencies = Dependencies::locate(stack.is_embedded())?;
        let broker = match dependencies.kafka {
            KafkaBackend::ApacheKafka { java, libs } => {
                let files = ServerFiles {
                    data: data_directory(stack, "kafka", &ports[0]),
                    log: log_file(stack, &format!("kafka-{name}")),
                };
                let numbers = (ports[0].number(), ports[1].number());
                let spec = KafkaSpec { advertised_port, secure, ..KafkaSpec::new(java, libs, numbers, files) };
                Broker::ApacheKafka(Box::new(Kafka::start(spec).await?))
            }
            KafkaBackend::Embedded { .. } => start_embedded_broker(&ports[1]).await?,
        };
        Ok(Self { broker, _ports: ports })
    }

    /// Returns the embedded broker, for error injection.
    ///
    /// # Panics
    /// Panics if the broker is real.
    #[must_use]
    pub fn mock(&self) -> &MockKafka {
        match &self.broker {
            Broker::Embedded { mock, .. } => mock,
            Broker::ApacheKafka(_) => panic!("a real broker cannot inject errors"),
        }
    }

    /// Returns `host:port` for clients.
    #[must_use]
    pub fn brokers(&self) -> String {
        match &self.broker {
            Broker::ApacheKafka(kafka) => kafka.brokers(),
            Broker::Embedded { mock, .. } => mock.brokers().to_owned(),
        }
    }

    /// Returns `host:port` of a real broker's listener, for a proxy in front of it.
    #[must_use]
    pub fn listener(&self) -> String {
        format!("127.0.0.1:{}", self._ports[0].number())
    }

    /// Returns the kind of the broker, for [`crate::World::on_brokers`].
    #[must_use]
    pub fn broker_kind(&self) -> BrokerKind {
        match &self.broker {
            Broker::ApacheKafka(_) => BrokerKind::Real,
            Broker::Embedded { control, .. } => BrokerKind::Embedded { control: control.url() },
        }
    }

    /// Creates a topic with 12 partitions.
    ///
    /// # Panics
    /// Panics if the topic cannot be created.
    pub async fn create_topic(&self, topic: &str) {
        create_topic(&self.brokers(), &self.broker_kind(), topic, PARTITIONS).await;
    }

    /// Makes the broker unavailable: a real one is killed, an embedded one accepts no connections. Records are kept.
    ///
    /// # Panics
    /// Panics if the embedded broker refuses the call.
    pub async fn take_down(&mut self) {
        match &mut self.broker {
            Broker::ApacheKafka(kafka) => kafka.child().kill().await,
            Broker::Embedded { mock, .. } => expect_ok(mock.broker_down().await),
        }
    }

    /// Makes the broker available again.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub async fn bring_up(&mut self) {
        match &mut self.broker {
            Broker::ApacheKafka(kafka) => expect_ok(kafka.restart().await),
            Broker::Embedded { mock, .. } => expect_ok(mock.broker_up().await),
        }
    }

    /// Sends SIGSTOP to a real broker, so that its connections hang. Returns whether the broker is real.
    pub fn pause(&mut self) -> bool {
        self.apache_kafka().map(|kafka| kafka.child().pause()).is_some()
    }

    /// Sends SIGCONT to a real broker. Returns whether the broker is real.
    pub fn resume(&mut self) -> bool {
        self.apache_kafka().map(|kafka| kafka.child().resume()).is_some()
    }

    fn apache_kafka(&mut self) -> Option<&mut Kafka> {
        match &mut self.broker {
            Broker::ApacheKafka(kafka) => Some(kafka),
            Broker::Embedded { .. } => None,
        }
    }
}

async fn start_embedded_broker(control: &Port) -> Result<Broker> {
    let mock = MockKafka::start().await?;
    let control = MockControl::start(control.number(), &mock)?;
    Ok(Broker::Embedded { mock, control })
}
