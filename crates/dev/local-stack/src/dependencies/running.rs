//! Starts and stops all dependencies together.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    path::PathBuf,
    process::ExitStatus,
    time::Duration,
};

use anyhow::Result;
use bson::doc;

use super::{
    kafka::{Kafka, KafkaSpec},
    locate::{Dependencies, KafkaBackend},
    mail_catcher::{self, MailCatcher},
    mock_kafka::{MockControl, MockKafka},
    mongo_wire,
    mongod::{Mongod, MongodSpec},
    server::ServerFiles,
};
use crate::{network::tcp_proxy::TcpProxy, process::child::Child};

/// The topics that are created on the embedded broker at the start, of events and of states. The services cannot create
/// topics there.
pub const TOPICS: [&str; 2] = ["user.events", "user.state"];
/// The number of partitions of each topic.
pub const PARTITIONS: i32 = 12;

const VERSION_DEADLINE: Duration = Duration::from_secs(5);

/// The ports of the dependencies, all on 127.0.0.1.
#[derive(Debug, Clone, Copy)]
pub struct DependencyPorts {
    /// The port of MongoDB.
    pub mongodb: u16,
    /// The port for clients of Kafka.
    pub kafka: u16,
    /// The port of Kafka's controller, or of the embedded broker's control endpoint.
    pub kafka_control: u16,
    /// The SMTP port.
    pub smtp: u16,
    /// The port of the web page and the API of the mail server.
    pub mail: u16,
}

impl DependencyPorts {
    /// The ports in the default configuration of the services.
    pub const DEFAULT: Self = Self { mongodb: 27017, kafka: 9092, kafka_control: 9093, smtp: 1025, mail: 8025 };

    /// Returns the ports with `offset` added to each, to run beside another stack.
    #[must_use]
    pub fn with_offset(self, offset: u16) -> Self {
        let Self { mongodb, kafka, kafka_control, smtp, mail } = self;
        Self {
            mongodb: mongodb.saturating_add(offset),
            kafka: kafka.saturating_add(offset),
            kafka_control: kafka_control.saturating_add(offset),
            smtp: smtp.saturating_add(offset),
            mail: mail.saturating_add(offset),
        }
    }
}

/// The programs to start, with their ports and directories.
#[derive(Debug, Clone)]
pub struct DependenciesSpec {
    /// The program for each dependency.
    pub programs: Dependencies,
    /// The ports to listen on.
    pub ports: DependencyPorts,
    /// The directory of the data of MongoDB and Kafka; it is kept.
    pub data: PathBuf,
    /// The directory of the logs.
    pub logs: PathBuf,
    /// The dependencies that already run on their ports and are used as they are.
    pub already_running: AlreadyRunning,
}

/// The dependencies that another program runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlreadyRunning {
    /// Whether MongoDB already runs.
    pub mongodb: bool,
    /// Whether Kafka already runs.
    pub kafka: bool,
    /// Whether a mail server with a web page already runs.
    pub mail: bool,
}

#[derive(Debug)]
enum Broker {
    ApacheKafka(Box<Kafka>),
    Embedded { _mock: MockKafka, _forwarder: TcpProxy, control: MockControl, reason: &'static str },
    External,
}

/// The running dependencies. Dropping this value kills the processes that it started.
#[derive(Debug)]
pub struct RunningDependencies {
    ports: DependencyPorts,
    mongod: Option<Mongod>,
    /// `None` if a server that was already running does not tell it.
    mongodb_version: Option<String>,
    broker: Broker,
    /// The version of Apache Kafka, if this process has started it.
    kafka_version: Option<String>,
    mail_catcher: Option<MailCatcher>,
}

impl RunningDependencies {
    /// Starts all dependencies at the same time and waits until they are ready.
    ///
    /// # Errors
    /// Returns an error if a dependency does not start.
    pub async fn start(spec: &DependenciesSpec) -> Result<Self> {
        let (mongod, broker, mail_catcher) =
            tokio::try_join!(start_mongod(spec), start_broker(spec), start_mail_catcher(spec))?;
        let mongodb = SocketAddrV4::new(Ipv4Addr::LOCALHOST, spec.ports.mongodb);
        let build = mongo_wire::command(mongodb, doc! { "buildInfo": 1 }, VERSION_DEADLINE).await;
        let mongodb_version = build.ok().and_then(|build| build.get_str("version").ok().map(str::to_owned));
        let kafka_version = spec.programs.kafka.version().map(str::to_owned);
        Ok(Self { ports: spec.ports, mongod, mongodb_version, broker, kafka_version, mail_catcher })
    }

    /// Returns the MongoDB connection string.
    #[must_use]
    pub fn mongodb_uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}", self.ports.mongodb)
    }

    /// Returns `host:port` for Kafka's clients.
    #[must_use]
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.ports.kafka)
    }

    /// Returns the URL of the embedded broker's control endpoint, or `None` for a real broker.
    #[must_use]
    pub fn broker_control(&self) -> Option<String> {
        match &self.broker {
            Broker::Embedded { control, .. } => Some(control.url()),
            Broker::ApacheKafka(_) | Broker::External => None,
        }
    }

    /// Returns `host:port` for SMTP.
    #[must_use]
    pub fn smtp_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.smtp)
    }

    /// Returns the URL of the web page and the API of the mail server.
    #[must_use]
    pub fn mail_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.mail)
    }

    /// Returns the name of each dependency with a description of what runs.
    #[must_use]
    pub fn descriptions(&self) -> [(&'static str, String); 3] {
        const EXTERNAL: &str = "already running";
        let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "of unknown version".to_owned());
        let mongodb = if self.mongod.is_some() { "mongod" } else { EXTERNAL };
        let kafka = match &self.broker {
            Broker::ApacheKafka(_) => format!("Apache Kafka {}", version(&self.kafka_version)),
            Broker::External => EXTERNAL.to_owned(),
            Broker::Embedded { reason, control, .. } => {
                format!("embedded broker ({reason}): loses its records on restart; control at {}", control.url())
            }
        };
        let mail = if self.mail_catcher.is_some() { mail_catcher::DESCRIPTION } else { EXTERNAL };
        [
            ("MongoDB", format!("{}  {mongodb} {}", self.mongodb_uri(), version(&self.mongodb_version))),
            ("Kafka", format!("{}  {kafka}", self.brokers())),
            ("Mail", format!("{}  {mail}; SMTP on {}", self.mail_url(), self.ports.smtp)),
        ]
    }

    /// Returns the child processes that were started.
    pub fn children(&mut self) -> Vec<&mut Child> {
        let mut children = Vec::new();
        children.extend(self.mongod.as_mut().map(Mongod::child));
        if let Broker::ApacheKafka(kafka) = &mut self.broker {
            children.push(kafka.child());
        }
        children
    }

    /// Returns the name and the process id of each child process.
    pub fn pids(&mut self) -> Vec<(String, u32)> {
        self.children().into_iter().map(|child| (child.name().to_owned(), child.pid())).collect()
    }

    /// Returns a child process that has ended by itself: its name, its exit status and the end of its log.
    pub fn find_exited(&mut self) -> Option<(String, ExitStatus, String)> {
        self.children().into_iter().find_map(|child| {
            let status = child.exit_status()?;
            Some((child.name().to_owned(), status, child.log_tail(20)))
        })
    }

    /// Shuts down all child processes cleanly, so that their data can be used again.
    pub async fn stop(mut self) {
        let mongod = async {
            if let Some(mongod) = &mut self.mongod {
                mongod.stop().await;
            }
        };
        let broker = async {
            if let Broker::ApacheKafka(kafka) = &mut self.broker {
                kafka.stop().await;
            }
        };
        tokio::join!(mongod, broker);
    }

    /// Kills all child processes at once. Use this when the data is not needed any more.
    pub async fn kill(mut self) {
        for child in self.children() {
            child.signal_group(rustix::process::Signal::KILL);
        }
        for child in self.children() {
            child.wait_within(Duration::from_secs(10)).await;
        }
    }
}

async fn start_mongod(spec: &DependenciesSpec) -> Result<Option<Mongod>> {
    if spec.already_running.mongodb {
        return Ok(None);
    }
    let files = ServerFiles { data: spec.data.join("mongodb"), log: spec.logs.join("mongod.log") };
    Mongod::start(MongodSpec::new(spec.programs.mongod.clone(), spec.ports.mongodb, files)).await.map(Some)
}

async fn start_broker(spec: &DependenciesSpec) -> Result<Broker> {
    if spec.already_running.kafka {
        return Ok(Broker::External);
    }
    match &spec.programs.kafka {
        KafkaBackend::ApacheKafka { java, libs } => {
            let files = ServerFiles { data: spec.data.join("kafka"), log: spec.logs.join("kafka.log") };
            let ports = (spec.ports.kafka, spec.ports.kafka_control);
            let kafka_spec = KafkaSpec::new(java.clone(), libs.clone(), ports, files);
            Ok(Broker::ApacheKafka(Box::new(Kafka::start(kafka_spec).await?)))
        }
        KafkaBackend::Embedded { reason } => {
            let mock = MockKafka::start().await?;
            for topic in TOPICS {
                mock.create_topic(topic, PARTITIONS).await?;
            }
            // Clients connect to the well-known port; the metadata then names the mock cluster's own port.
            let forwarder = TcpProxy::start_on(spec.ports.kafka, mock.brokers()).await?;
            let control = MockControl::start(spec.ports.kafka_control, &mock)?;
            Ok(Broker::Embedded { _mock: mock, _forwarder: forwarder, control, reason })
        }
    }
}

async fn start_mail_catcher(spec: &DependenciesSpec) -> Result<Option<MailCatcher>> {
    if spec.already_running.mail {
        return Ok(None);
    }
    MailCatcher::start(spec.ports.smtp, spec.ports.mail).await.map(Some)
}
