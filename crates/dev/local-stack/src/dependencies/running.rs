//! The whole set of parts that the services need, started and stopped together.

use std::{path::PathBuf, process::ExitStatus, time::Duration};

use anyhow::Result;

use super::{
    kafka::{Kafka, KafkaSpec},
    locate::{Dependencies, KafkaBackend, MailBackend},
    mail_catcher::MailCatcher,
    mailhog::{MailHog, MailHogSpec},
    mock_kafka::{MockControl, MockKafka},
    mongod::{Mongod, MongodSpec},
};
use crate::{network::tcp_proxy::TcpProxy, process::child::Child};

/// The topic that the embedded broker has from the start: there nobody else can make it.
pub const TOPIC: &str = "user.events";
/// How many partitions it has.
pub const PARTITIONS: i32 = 12;

/// One port for each purpose, all on 127.0.0.1.
#[derive(Debug, Clone, Copy)]
pub struct DependencyPorts {
    /// MongoDB.
    pub mongodb: u16,
    /// Kafka's clients.
    pub kafka: u16,
    /// Kafka's controller, or the embedded broker's control endpoint.
    pub kafka_control: u16,
    /// SMTP.
    pub smtp: u16,
    /// The mail page and its API.
    pub mail: u16,
}

impl DependencyPorts {
    /// The ports that the services' default configuration names.
    pub const DEFAULT: Self = Self { mongodb: 27017, kafka: 9092, kafka_control: 9093, smtp: 1025, mail: 8025 };

    /// Each of them moved by the same distance, to run beside another stack.
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

/// What is to be started.
#[derive(Debug, Clone)]
pub struct DependenciesSpec {
    /// With which programs.
    pub programs: Dependencies,
    /// On which ports.
    pub ports: DependencyPorts,
    /// Where MongoDB's and Kafka's data is; kept.
    pub data: PathBuf,
    /// Where the logs go.
    pub logs: PathBuf,
    /// Which parts answer on their ports already and are used as they are.
    pub already_running: AlreadyRunning,
}

/// Dependencies that somebody else runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlreadyRunning {
    /// MongoDB.
    pub mongodb: bool,
    /// Kafka.
    pub kafka: bool,
    /// SMTP and the mail page.
    pub mail: bool,
}

#[derive(Debug)]
enum Broker {
    ApacheKafka(Box<Kafka>),
    Embedded { _mock: MockKafka, _forwarder: TcpProxy, control: MockControl, reason: &'static str },
    External,
}

#[derive(Debug)]
enum MailServer {
    MailHog(Box<MailHog>),
    Catcher { _catcher: MailCatcher },
    External,
}

/// The running parts. Dropping it kills what was started.
#[derive(Debug)]
pub struct RunningDependencies {
    ports: DependencyPorts,
    mongod: Option<Mongod>,
    broker: Broker,
    mail_server: MailServer,
}

impl RunningDependencies {
    /// Starts everything at the same time and waits until all of it answers.
    ///
    /// # Errors
    /// When a part does not start.
    pub async fn start(spec: &DependenciesSpec) -> Result<Self> {
        let (mongod, broker, mail_server) =
            tokio::try_join!(start_mongod(spec), start_broker(spec), start_mail_server(spec))?;
        Ok(Self { ports: spec.ports, mongod, broker, mail_server })
    }

    /// The connection string.
    #[must_use]
    pub fn mongodb_uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}", self.ports.mongodb)
    }

    /// `host:port` for Kafka's clients.
    #[must_use]
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.ports.kafka)
    }

    /// The control endpoint of the embedded broker; none with a real one.
    #[must_use]
    pub fn broker_control(&self) -> Option<String> {
        match &self.broker {
            Broker::Embedded { control, .. } => Some(control.url()),
            Broker::ApacheKafka(_) | Broker::External => None,
        }
    }

    /// `host:port` for SMTP.
    #[must_use]
    pub fn smtp_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.smtp)
    }

    /// The address of the mail page and its API.
    #[must_use]
    pub fn mail_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.mail)
    }

    /// What was chosen: a name and a sentence for each part.
    #[must_use]
    pub fn descriptions(&self) -> [(&'static str, String); 3] {
        const EXTERNAL: &str = "the one that was running already";
        let mongodb = if self.mongod.is_some() { "mongod" } else { EXTERNAL };
        let kafka = match &self.broker {
            Broker::ApacheKafka(_) => "Apache Kafka".to_owned(),
            Broker::External => EXTERNAL.to_owned(),
            Broker::Embedded { reason, control, .. } => {
                format!("embedded broker ({reason}): keeps nothing over a restart; control at {}", control.url())
            }
        };
        let mail = match &self.mail_server {
            MailServer::MailHog(_) => "MailHog",
            MailServer::Catcher { .. } => "built-in catcher (no MailHog here): keeps the newest 1000 mails in memory",
            MailServer::External => EXTERNAL,
        };
        [
            ("MongoDB", format!("{}  {mongodb}", self.mongodb_uri())),
            ("Kafka", format!("{}  {kafka}", self.brokers())),
            ("Mail", format!("{}  {mail}; SMTP on {}", self.mail_url(), self.ports.smtp)),
        ]
    }

    /// The processes that were started.
    pub fn children(&mut self) -> Vec<&mut Child> {
        let mut children = Vec::new();
        children.extend(self.mongod.as_mut().map(Mongod::child));
        if let Broker::ApacheKafka(kafka) = &mut self.broker {
            children.push(kafka.child());
        }
        if let MailServer::MailHog(mailhog) = &mut self.mail_server {
            children.push(mailhog.child());
        }
        children
    }

    /// The process ids of the parts that are processes, by their names.
    pub fn pids(&mut self) -> Vec<(String, u32)> {
        self.children().into_iter().map(|child| (child.name().to_owned(), child.pid())).collect()
    }

    /// A part that has ended by itself: its name, how, and the end of its log.
    pub fn find_exited(&mut self) -> Option<(String, ExitStatus, String)> {
        self.children().into_iter().find_map(|child| {
            let status = child.exit_status()?;
            Some((child.name().to_owned(), status, child.log_tail(20)))
        })
    }

    /// Ends everything cleanly, so that the data can be used again.
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
        let mail_server = async {
            if let MailServer::MailHog(mailhog) = &mut self.mail_server {
                mailhog.stop().await;
            }
        };
        tokio::join!(mongod, broker, mail_server);
    }

    /// Kills everything at once: for data that nobody wants any more.
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
    let mongod_spec = MongodSpec {
        program: spec.programs.mongod.clone(),
        port: spec.ports.mongodb,
        data: spec.data.join("mongodb"),
        log: spec.logs.join("mongod.log"),
        replica_set: None,
        tls: None,
        command_prefix: Vec::new(),
    };
    Mongod::start(mongod_spec).await.map(Some)
}

async fn start_broker(spec: &DependenciesSpec) -> Result<Broker> {
    if spec.already_running.kafka {
        return Ok(Broker::External);
    }
    match &spec.programs.kafka {
        KafkaBackend::ApacheKafka { java, libs } => {
            let kafka_spec = KafkaSpec {
                java: java.clone(),
                libs: libs.clone(),
                port: spec.ports.kafka,
                controller_port: spec.ports.kafka_control,
                advertised_port: None,
                data: spec.data.join("kafka"),
                log: spec.logs.join("kafka.log"),
                secure: None,
            };
            Ok(Broker::ApacheKafka(Box::new(Kafka::start(kafka_spec).await?)))
        }
        KafkaBackend::Embedded { reason } => {
            let mock = MockKafka::start().await?;
            mock.create_topic(TOPIC, PARTITIONS).await?;
            // Clients begin at the well-known port and are told the mock's own one there.
            let forwarder = TcpProxy::start_on(spec.ports.kafka, mock.brokers()).await?;
            let control = MockControl::start(spec.ports.kafka_control, &mock)?;
            Ok(Broker::Embedded { _mock: mock, _forwarder: forwarder, control, reason })
        }
    }
}

async fn start_mail_server(spec: &DependenciesSpec) -> Result<MailServer> {
    if spec.already_running.mail {
        return Ok(MailServer::External);
    }
    let DependencyPorts { smtp, mail, .. } = spec.ports;
    match &spec.programs.mail {
        MailBackend::MailHog(program) => {
            let log = spec.logs.join("mailhog.log");
            let mailhog_spec = MailHogSpec { program: program.clone(), smtp_port: smtp, http_port: mail, log };
            Ok(MailServer::MailHog(Box::new(MailHog::start(mailhog_spec).await?)))
        }
        MailBackend::Catcher => Ok(MailServer::Catcher { _catcher: MailCatcher::start(smtp, mail).await? }),
    }
}
