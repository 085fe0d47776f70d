//! A broker or a database of one test's own, for tests that take it down.

use std::path::PathBuf;

use anyhow::Result;
use local_stack::{
    dependencies::{
        Dependencies, KafkaBackend, PARTITIONS,
        kafka::{Kafka, KafkaSpec, SecureListener},
        mock_kafka::{MockControl, MockKafka},
        mongod::{Mongod, MongodSpec},
    },
    network::ports::Port,
    small_disk::SmallDisk,
};

use crate::{BrokerKind, Stack};

/// A broker that only one test uses. Real where the shared one is, embedded otherwise.
#[derive(Debug)]
pub struct IsolatedKafka {
    broker: Broker,
    /// TestResult so that no other test takes them while the broker is down.
    _ports: [Port; 2],
}

#[derive(Debug)]
enum Broker {
    Real(Box<Kafka>),
    Embedded { mock: MockKafka, control: MockControl },
}

impl IsolatedKafka {
    /// Starts one of the same kind as the shared one.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(stack: &Stack, name: &str) -> Self {
        must(Self::try_start(stack, name, None, None).await)
    }

    /// Starts one that has a second listener for TLS and SASL/SCRAM. Only a real broker can do that.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_secure(stack: &Stack, name: &str, secure: SecureListener) -> Self {
        must(Self::try_start(stack, name, None, Some(secure)).await)
    }

    /// Starts one whose clients are told to come to this port, where a proxy of the test listens. Only a
    /// real broker can do that.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_advertised(stack: &Stack, name: &str, advertised_port: u16) -> Self {
        must(Self::try_start(stack, name, Some(advertised_port), None).await)
    }

    /// Starts an embedded one whatever the shared one is, for errors that only it can be told to answer with.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_embedded() -> Self {
        must(Self::try_start_embedded().await)
    }

    async fn try_start_embedded() -> Result<Self> {
        let ports = [Port::free()?, Port::free()?];
        Ok(Self { broker: embedded(&ports[1]).await?, _ports: ports })
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
            KafkaBackend::ApacheKafka { java, libs } => Broker::Real(Box::new(
                Kafka::start(KafkaSpec {
                    java,
                    libs,
                    port: ports[0].number(),
                    controller_port: ports[1].number(),
                    advertised_port,
                    data: directory(stack, "kafka", &ports[0]),
                    log: log(stack, &format!("kafka-{name}")),
                    secure,
                })
                .await?,
            )),
            KafkaBackend::Embedded { .. } => embedded(&ports[1]).await?,
        };
        Ok(Self { broker, _ports: ports })
    }

    /// The embedded broker, to be told what to answer.
    ///
    /// # Panics
    /// When it is a real one.
    #[must_use]
    pub fn mock(&self) -> &MockKafka {
        match &self.broker {
            Broker::Embedded { mock, .. } => mock,
            Broker::Real(_) => panic!("a real broker answers as it sees fit"),
        }
    }

    /// `host:port` for clients.
    #[must_use]
    pub fn brokers(&self) -> String {
        match &self.broker {
            Broker::Real(kafka) => kafka.brokers(),
            Broker::Embedded { mock, .. } => mock.brokers().to_owned(),
        }
    }

    /// `host:port` where a real one listens, for a proxy in front of it.
    #[must_use]
    pub fn listener(&self) -> String {
        format!("127.0.0.1:{}", self._ports[0].number())
    }

    /// Which broker it is, for [`crate::World::on_brokers`].
    #[must_use]
    pub fn broker_kind(&self) -> BrokerKind {
        match &self.broker {
            Broker::Real(_) => BrokerKind::Real,
            Broker::Embedded { control, .. } => BrokerKind::Embedded { control: control.url() },
        }
    }

    /// Makes a topic with 12 partitions.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn create_topic(&self, topic: &str) {
        crate::create_topic(&self.brokers(), &self.broker_kind(), topic, PARTITIONS).await;
    }

    /// Takes it away: the real one is killed, the embedded one accepts nobody. Records are kept.
    ///
    /// # Panics
    /// When the embedded one refuses it.
    pub async fn take_down(&mut self) {
        match &mut self.broker {
            Broker::Real(kafka) => kafka.child().kill().await,
            Broker::Embedded { mock, .. } => must(mock.broker_down().await),
        }
    }

    /// Gives it back.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn bring_up(&mut self) {
        match &mut self.broker {
            Broker::Real(kafka) => must(kafka.restart().await),
            Broker::Embedded { mock, .. } => must(mock.broker_up().await),
        }
    }

    /// SIGSTOP of a real broker: its connections hang. Whether there was one.
    pub fn pause(&mut self) -> bool {
        self.real().map(|kafka| kafka.child().pause()).is_some()
    }

    /// SIGCONT of a real broker. Whether there was one.
    pub fn resume(&mut self) -> bool {
        self.real().map(|kafka| kafka.child().resume()).is_some()
    }

    fn real(&mut self) -> Option<&mut Kafka> {
        match &mut self.broker {
            Broker::Real(kafka) => Some(kafka),
            Broker::Embedded { .. } => None,
        }
    }
}

async fn embedded(control: &Port) -> Result<Broker> {
    let mock = MockKafka::start().await?;
    let control = MockControl::start(control.number(), &mock)?;
    Ok(Broker::Embedded { mock, control })
}

/// A `mongod` that only one test uses.
#[derive(Debug)]
pub struct IsolatedMongod {
    mongod: Mongod,
    /// Dropped after it.
    disk: Option<SmallDisk>,
    _port: Port,
}

impl IsolatedMongod {
    /// Starts a standalone one.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(stack: &Stack, name: &str) -> Self {
        must(Self::try_start(stack, name, None, None, None).await)
    }

    /// Starts a standalone one whose data is on a file system of so many megabytes.
    ///
    /// # Errors
    /// Why this machine has no such file system.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_on_small_disk(stack: &Stack, name: &str, megabytes: u32) -> Result<Self, String> {
        let port = must(Port::free());
        let (place, log) = (directory(stack, "disk", &port), log(stack, &format!("disk-{name}")));
        let disk = SmallDisk::mount(&place, megabytes, &log).await.map_err(|error| format!("{error:#}"))?;
        Ok(must(Self::try_start(stack, name, None, None, Some((disk, place))).await))
    }

    /// Starts one that takes TLS too; `pem` holds its certificate and key.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_with_tls(stack: &Stack, name: &str, pem: PathBuf) -> Self {
        must(Self::try_start(stack, name, None, Some(pem), None).await)
    }

    /// Starts a replica set of one.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_replica_set(stack: &Stack, name: &str) -> Self {
        must(Self::try_start(stack, name, Some("rs0".to_owned()), None, None).await)
    }

    async fn try_start(
        stack: &Stack,
        name: &str,
        replica_set: Option<String>,
        tls: Option<PathBuf>,
        disk: Option<(SmallDisk, PathBuf)>,
    ) -> Result<Self> {
        let port = Port::free()?;
        let (disk, data) = disk.unzip();
        let spec = MongodSpec {
            program: Dependencies::locate(true)?.mongod,
            port: port.number(),
            data: data.unwrap_or_else(|| directory(stack, "mongod", &port)),
            log: log(stack, &format!("mongod-{name}")),
            replica_set,
            tls,
            command_prefix: disk.as_ref().map(SmallDisk::command_prefix).unwrap_or_default(),
        };
        Ok(Self { mongod: Mongod::start(spec).await?, disk, _port: port })
    }

    /// The connection string.
    #[must_use]
    pub fn uri(&self) -> String {
        self.mongod.uri()
    }

    /// `host:port`, for a proxy in front of it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self._port.number())
    }

    /// SIGKILL; the data is kept.
    pub async fn take_down(&mut self) {
        self.mongod.child().kill().await;
    }

    /// Starts it again on its data.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn bring_up(&mut self) {
        must(self.mongod.restart().await);
    }

    /// Whether it still runs: it ends by itself when it cannot write its journal.
    pub fn is_running(&mut self) -> bool {
        self.mongod.child().exit_status().is_none()
    }

    /// Takes all space that is left on its small disk.
    ///
    /// # Panics
    /// When it has none.
    pub fn fill_disk(&self) {
        self.small_disk().fill().expect("the small disk can be written");
    }

    /// Gives that space back.
    ///
    /// # Panics
    /// When it was not taken.
    pub fn free_disk(&self) {
        self.small_disk().free().expect("the small disk was filled");
    }

    fn small_disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("it was started on a small disk")
    }

    /// SIGSTOP: connections hang.
    pub fn pause(&mut self) {
        self.mongod.child().pause();
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.mongod.child().resume();
    }
}

/// A replica set of three that only one test uses.
#[derive(Debug)]
pub struct IsolatedReplicaSet {
    /// The first is the primary.
    members: Vec<Mongod>,
    _ports: Vec<Port>,
}

impl IsolatedReplicaSet {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(stack: &Stack, name: &str) -> Self {
        let program = must(Dependencies::locate(true)).mongod;
        let ports: Vec<Port> = (0..3).map(|_| must(Port::free())).collect();
        let spec = |port: &Port| MongodSpec {
            program: program.clone(),
            port: port.number(),
            data: directory(stack, "mongod", port),
            log: log(stack, &format!("mongod-{name}-{}", port.number())),
            replica_set: Some("rs0".to_owned()),
            tls: None,
            command_prefix: Vec::new(),
        };
        Self { members: must(Mongod::start_replica_set(ports.iter().map(spec).collect()).await), _ports: ports }
    }

    /// The connection string, which names every member.
    #[must_use]
    pub fn uri(&self) -> String {
        let hosts: Vec<String> = self._ports.iter().map(|port| format!("127.0.0.1:{}", port.number())).collect();
        format!("mongodb://{}/?replicaSet=rs0", hosts.join(","))
    }

    /// SIGSTOP of all but the primary: for some ten seconds it takes itself for the primary still, and no
    /// majority acknowledges anything.
    pub fn pause_secondaries(&mut self) {
        self.members[1..].iter_mut().for_each(|member| member.child().pause());
    }

    /// SIGCONT.
    pub fn resume_secondaries(&mut self) {
        self.members[1..].iter_mut().for_each(|member| member.child().resume());
    }

    /// SIGSTOP of the primary: its connections hang until the others have elected another one.
    pub fn pause_primary(&mut self) {
        self.members[0].child().pause();
    }
}

fn directory(stack: &Stack, kind: &str, port: &Port) -> PathBuf {
    stack.directory().join("data").join(format!("{kind}-{}-{}", std::process::id(), port.number()))
}

fn log(stack: &Stack, name: &str) -> PathBuf {
    stack.directory().join("logs").join(format!("{name}-{}.log", std::process::id()))
}

#[track_caller]
fn must<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error:#}"))
}
