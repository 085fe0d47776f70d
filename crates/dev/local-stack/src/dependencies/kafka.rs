//! Runs an Apache Kafka broker in KRaft mode, alone or as a member of a cluster: broker and controller in one Java
//! process.

use std::{
    ffi::OsString,
    fs,
    net::{Ipv4Addr, SocketAddrV4},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    kafka_wire,
    server::{Server, ServerFiles, ServerSpec},
};
use crate::{
    process::child::{Child, ChildSpec},
    wait_for::try_wait_for,
};

const FORMAT_DEADLINE: Duration = Duration::from_secs(60);
const READY_DEADLINE: Duration = Duration::from_secs(90);
const PROBE_DEADLINE: Duration = Duration::from_secs(2);
/// Any 16 bytes in base64. No broker ever reaches another cluster, so the id need not be unique.
const CLUSTER_ID: &str = "bG9jYWwtc3RhY2sta2Fma2E";

/// How to run a broker.
#[derive(Debug, Clone)]
pub struct KafkaSpec {
    /// The path of the `java` program, version 17 or later.
    pub java: PathBuf,
    /// The directory of Kafka's jars.
    pub libs: PathBuf,
    /// The address for clients: 127.0.0.1, or that of a node of a
    /// [`NodeNetwork`](crate::network::node_network::NodeNetwork).
    pub host: Ipv4Addr,
    /// The port for clients.
    pub port: u16,
    /// The address of the controller.
    pub controller: SocketAddrV4,
    /// The port that the broker advertises to clients, if a proxy stands in front of it.
    pub advertised_port: Option<u16>,
    /// The data directory is formatted when it is created.
    pub files: ServerFiles,
    /// A second listener with TLS and authentication.
    pub secure: Option<SecureListener>,
    /// The cluster that the broker is a member of; `None` for a single broker.
    pub membership: Option<Membership>,
    /// The command and the arguments that start the program in other namespaces, if there are any.
    pub command_prefix: Vec<String>,
    /// The limit of the Java heap.
    pub heap_megabytes: u32,
}

/// The membership of a broker in a cluster.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The position of this broker in `controllers`. Its `node.id` is one more.
    pub index: usize,
    /// The addresses of all controllers.
    pub controllers: Vec<SocketAddrV4>,
}

impl KafkaSpec {
    /// Returns the spec of a single broker on 127.0.0.1. `ports` are those for clients and of the controller.
    #[must_use]
    pub fn new(java: PathBuf, libs: PathBuf, ports: (u16, u16), files: ServerFiles) -> Self {
        Self {
            java,
            libs,
            host: Ipv4Addr::LOCALHOST,
            port: ports.0,
            controller: SocketAddrV4::new(Ipv4Addr::LOCALHOST, ports.1),
            advertised_port: None,
            files,
            secure: None,
            membership: None,
            command_prefix: Vec::new(),
            heap_megabytes: 384,
        }
    }

    /// Returns the address for clients, without a proxy.
    #[must_use]
    pub fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.host, self.port)
    }

    /// Returns the `node.id`.
    #[must_use]
    pub fn node_id(&self) -> usize {
        self.membership.as_ref().map_or(1, |membership| membership.index + 1)
    }
}

/// A listener on 127.0.0.1 that requires TLS and SASL/SCRAM.
#[derive(Debug, Clone)]
pub struct SecureListener {
    /// The port of the listener.
    pub port: u16,
    /// A PEM file with the certificate and its key (PKCS#8).
    pub pem: PathBuf,
    /// The name of the only user.
    pub user: String,
    /// The password of the user.
    pub password: String,
}

impl SecureListener {
    fn properties(&self, broker: &KafkaSpec) -> String {
        let Self { port: secure, pem, .. } = self;
        let (pem, host, listener, controller) = (pem.display(), broker.host, broker.address(), broker.controller);
        let advertised = broker.advertised_port.unwrap_or(broker.port);
        format!(
            "\
listeners=PLAINTEXT://{listener},CONTROLLER://{controller},SASL_SSL://{host}:{secure}
advertised.listeners=PLAINTEXT://{host}:{advertised},SASL_SSL://{host}:{secure}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-256
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={pem}
"
        )
    }

    /// Returns the user in the syntax of Kafka's storage tool.
    fn scram_credential(&self) -> String {
        format!("SCRAM-SHA-256=[name={},password={}]", self.user, self.password)
    }
}

/// A running broker.
pub type Kafka = Server<KafkaSpec>;

impl Kafka {
    /// Returns `host:port` for clients.
    #[must_use]
    pub fn brokers(&self) -> String {
        format!("{}:{}", self.spec.host, self.spec.advertised_port.unwrap_or(self.spec.port))
    }
}

impl ServerSpec for KafkaSpec {
    // A member of a cluster hands its partitions over first.
    const STOP_DEADLINE: Duration = Duration::from_secs(15);

    /// Starts the broker, after its storage was formatted if necessary.
    async fn launch(&self) -> Result<Child> {
        let properties = write_properties(self)?;
        if !self.files.data.join("logs/meta.properties").is_file() {
            format_storage(self, &properties).await?;
        }
        java_command(self, "kafka").arg("kafka.Kafka").arg(properties).start()
    }

    /// Waits until it serves metadata.
    async fn wait_until_ready(&self, child: &mut Child) -> Result<()> {
        try_wait_for(READY_DEADLINE, "Kafka", async || {
            child.ensure_running()?;
            Ok(kafka_wire::is_registered(self.address(), self.node_id(), PROBE_DEADLINE).await.then_some(()))
        })
        .await
    }
}

fn write_properties(spec: &KafkaSpec) -> Result<PathBuf> {
    spec.files.create_data()?;
    let path = spec.files.data.join("server.properties");
    let KafkaSpec { host, port, controller, advertised_port, files, .. } = spec;
    let (node, listener, advertised) = (spec.node_id(), spec.address(), advertised_port.unwrap_or(*port));
    let voters = spec.membership.as_ref().map_or(vec![*controller], |membership| membership.controllers.clone());
    let replicas = voters.len();
    // A write survives the loss of one broker, and a cluster of three accepts writes without one broker.
    let min_in_sync = replicas.div_ceil(2);
    let voters: Vec<String> =
        (1..).zip(voters).map(|(node, address): (usize, _)| format!("{node}@{address}")).collect();
    let (voters, logs) = (voters.join(","), files.data.join("logs"));
    let mut text = format!(
        "\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://{listener},CONTROLLER://{controller}
advertised.listeners=PLAINTEXT://{host}:{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={logs}
# The user service creates its topic, with the number of partitions that it needs.
auto.create.topics.enable=false
default.replication.factor={replicas}
min.insync.replicas={min_in_sync}
unclean.leader.election.enable=false
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={min_in_sync}
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={min_in_sync}
# A consumer group starts immediately instead of after three seconds.
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
",
        logs = logs.display()
    );
    // If a property occurs twice, the later one counts.
    text.extend(spec.secure.iter().map(|secure| secure.properties(spec)));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

async fn format_storage(spec: &KafkaSpec, properties: &Path) -> Result<()> {
    let mut format = java_command(spec, "kafka-format")
        .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
        .arg(properties)
        .args(spec.secure.iter().flat_map(|secure| ["--add-scram".to_owned(), secure.scram_credential()]))
        .start()?;
    let status = format.wait_within(FORMAT_DEADLINE).await.context("formatting Kafka's storage takes too long")?;
    ensure!(status.success(), "Kafka's storage could not be formatted:\n{}", format.log_tail(20));
    Ok(())
}

fn java_command(spec: &KafkaSpec, name: &str) -> ChildSpec {
    let mut class_path = OsString::from(&spec.libs);
    class_path.push("/*");
    let java = spec.java.display().to_string();
    let command = [spec.command_prefix.as_slice(), &[java]].concat();
    ChildSpec::new(name, &command[0], spec.files.output())
        .args(&command[1..])
        // A small heap, and the compiler and the garbage collector that start fastest on two cores.
        .args(["-Xms64m", &format!("-Xmx{}m", spec.heap_megabytes), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .args(["-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.showDateTime=true", "-cp"])
        .arg(class_path)
}
