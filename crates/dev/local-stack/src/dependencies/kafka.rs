//! Runs one Apache Kafka broker in KRaft mode: broker and controller in one Java process.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    readiness,
    server::{Server, ServerFiles, ServerSpec},
};
use crate::{
    process::child::{Child, ChildSpec},
    wait_for::try_wait_for,
};

const FORMAT_DEADLINE: Duration = Duration::from_secs(60);
const READY_DEADLINE: Duration = Duration::from_secs(90);
const PROBE_DEADLINE: Duration = Duration::from_secs(2);
/// Any 16 bytes in base64; a single cluster needs no unique id.
const CLUSTER_ID: &str = "bG9jYWwtc3RhY2sta2Fma2E";

/// How to run a broker.
#[derive(Debug, Clone)]
pub struct KafkaSpec {
    /// The path of the `java` program, version 17 or later.
    pub java: PathBuf,
    /// The directory of Kafka's jars.
    pub libs: PathBuf,
    /// The port for clients on 127.0.0.1.
    pub port: u16,
    /// The port of the controller on 127.0.0.1.
    pub controller_port: u16,
    /// The port that the broker advertises to clients, if a proxy stands in front of it.
    pub advertised_port: Option<u16>,
    /// The data directory is formatted when it is created.
    pub files: ServerFiles,
    /// A second listener with TLS and authentication.
    pub secure: Option<SecureListener>,
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
    fn properties(&self, port: u16, controller_port: u16, advertised: u16) -> String {
        let Self { port: secure, pem, .. } = self;
        let pem = pem.display();
        format!(
            "\
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port},SASL_SSL://127.0.0.1:{secure}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised},SASL_SSL://127.0.0.1:{secure}
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
        format!("127.0.0.1:{}", self.spec.advertised_port.unwrap_or(self.spec.port))
    }
}

impl ServerSpec for KafkaSpec {
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
        let address = format!("127.0.0.1:{}", self.port);
        try_wait_for(READY_DEADLINE, "Kafka", async || {
            child.ensure_running()?;
            let ready =
                readiness::is_port_open(self.port).await && readiness::is_kafka_ready(&address, PROBE_DEADLINE).await;
            Ok(ready.then_some(()))
        })
        .await
    }
}

fn write_properties(spec: &KafkaSpec) -> Result<PathBuf> {
    spec.files.create_data()?;
    let path = spec.files.data.join("server.properties");
    let KafkaSpec { port, controller_port, advertised_port, files, .. } = spec;
    let advertised = advertised_port.unwrap_or(*port);
    let logs = files.data.join("logs");
    let mut text = format!(
        "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={logs}
# The user service creates its topic, with the number of partitions that it needs.
auto.create.topics.enable=false
# With one broker there is no replication.
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# A consumer group starts immediately instead of after three seconds.
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
",
        logs = logs.display()
    );
    // If a property occurs twice, the later one counts.
    text.extend(spec.secure.iter().map(|secure| secure.properties(*port, *controller_port, advertised)));
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
    ChildSpec::new(name, &spec.java, spec.files.output())
        // A small heap, and the compiler and the garbage collector that start fastest on two cores.
        .args(["-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"])
        .args(["-Dorg.slf4j.simpleLogger.showDateTime=true", "-cp"])
        .arg(class_path)
}
