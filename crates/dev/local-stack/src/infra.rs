//! The whole set of parts that the services need, started and stopped together.

use std::{path::PathBuf, process::ExitStatus, time::Duration};

use anyhow::Result;

use crate::{
    child::Child,
    kafka::{Kafka, KafkaSpec},
    mail_catcher::MailCatcher,
    mailhog::{MailHog, MailHogSpec},
    mock_control::MockControl,
    mock_kafka::MockKafka,
    mongod::{Mongod, MongodSpec},
    parts::{KafkaPart, MailPart, Parts},
    tcp_proxy::TcpProxy,
};

/// The topic that the embedded broker has from the start: there nobody else can make it.
pub const TOPIC: &str = "user.events";
/// How many partitions it has.
pub const PARTITIONS: i32 = 12;

/// One port for each purpose, all on 127.0.0.1.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// MongoDB.
    pub mongodb: u16,
    /// Kafka's clients.
    pub kafka: u16,
    /// Kafka's controller, or the embedded broker's control endpoint.
    pub kafka_side: u16,
    /// SMTP.
    pub smtp: u16,
    /// The mail page and its API.
    pub mail: u16,
}

impl Ports {
    /// The ports that the services' default configuration names.
    pub const DEFAULT: Self = Self { mongodb: 27017, kafka: 9092, kafka_side: 9093, smtp: 1025, mail: 8025 };

    /// Each of them moved by the same distance, to run beside another stack.
    #[must_use]
    pub fn moved_by(self, offset: u16) -> Self {
        let Self { mongodb, kafka, kafka_side, smtp, mail } = self;
        Self {
            mongodb: mongodb.saturating_add(offset),
            kafka: kafka.saturating_add(offset),
            kafka_side: kafka_side.saturating_add(offset),
            smtp: smtp.saturating_add(offset),
            mail: mail.saturating_add(offset),
        }
    }
}

/// What is to be started.
#[derive(Debug, Clone)]
pub struct Plan {
    /// With which programs.
    pub parts: Parts,
    /// On which ports.
    pub ports: Ports,
    /// Where MongoDB's and Kafka's data is; kept.
    pub data: PathBuf,
    /// Where the logs go.
    pub logs: PathBuf,
    /// Which parts answer on their ports already and are used as they are.
    pub running: Running,
}

/// Parts that somebody else runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Running {
    /// MongoDB.
    pub mongodb: bool,
    /// Kafka.
    pub kafka: bool,
    /// SMTP and the mail page.
    pub mail: bool,
}

#[derive(Debug)]
enum Broker {
    Real(Box<Kafka>),
    Embedded { _mock: MockKafka, _forwarder: TcpProxy, control: MockControl, reason: &'static str },
    Foreign,
}

#[derive(Debug)]
enum Mailer {
    MailHog(Box<MailHog>),
    Catcher { _catcher: MailCatcher },
    Foreign,
}

/// The running parts. Dropping it kills what was started.
#[derive(Debug)]
pub struct Infra {
    ports: Ports,
    mongod: Option<Mongod>,
    broker: Broker,
    mailer: Mailer,
}

impl Infra {
    /// Starts everything at the same time and waits until all of it answers.
    ///
    /// # Errors
    /// When a part does not start.
    pub async fn start(plan: &Plan) -> Result<Self> {
        let (mongod, broker, mailer) = tokio::try_join!(start_mongod(plan), start_broker(plan), start_mailer(plan))?;
        Ok(Self { ports: plan.ports, mongod, broker, mailer })
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
            Broker::Real(_) | Broker::Foreign => None,
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
    pub fn choices(&self) -> [(&'static str, String); 3] {
        const FOREIGN: &str = "the one that was running already";
        let mongodb = if self.mongod.is_some() { "mongod" } else { FOREIGN };
        let kafka = match &self.broker {
            Broker::Real(_) => "Apache Kafka".to_owned(),
            Broker::Foreign => FOREIGN.to_owned(),
            Broker::Embedded { reason, control, .. } => {
                format!("embedded broker ({reason}): keeps nothing over a restart; control at {}", control.url())
            }
        };
        let mail = match &self.mailer {
            Mailer::MailHog(_) => "MailHog",
            Mailer::Catcher { .. } => "built-in catcher (no MailHog here): keeps the newest 1000 mails in memory",
            Mailer::Foreign => FOREIGN,
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
        if let Broker::Real(kafka) = &mut self.broker {
            children.push(kafka.child());
        }
        if let Mailer::MailHog(mailhog) = &mut self.mailer {
            children.push(mailhog.child());
        }
        children
    }

    /// The process ids of the parts that are processes, by their names.
    pub fn pids(&mut self) -> Vec<(String, u32)> {
        self.children().into_iter().map(|child| (child.name().to_owned(), child.pid())).collect()
    }

    /// A part that has ended by itself: its name, how, and the end of its log.
    pub fn ended(&mut self) -> Option<(String, ExitStatus, String)> {
        self.children().into_iter().find_map(|child| {
            let status = child.exited()?;
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
            if let Broker::Real(kafka) = &mut self.broker {
                kafka.stop().await;
            }
        };
        let mailer = async {
            if let Mailer::MailHog(mailhog) = &mut self.mailer {
                mailhog.stop().await;
            }
        };
        tokio::join!(mongod, broker, mailer);
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

async fn start_mongod(plan: &Plan) -> Result<Option<Mongod>> {
    if plan.running.mongodb {
        return Ok(None);
    }
    let spec = MongodSpec {
        program: plan.parts.mongod.clone(),
        port: plan.ports.mongodb,
        data: plan.data.join("mongodb"),
        log: plan.logs.join("mongod.log"),
        replica_set: None,
        tls: None,
        entrance: Vec::new(),
    };
    Mongod::start(spec).await.map(Some)
}

async fn start_broker(plan: &Plan) -> Result<Broker> {
    if plan.running.kafka {
        return Ok(Broker::Foreign);
    }
    match &plan.parts.kafka {
        KafkaPart::Real { java, libs } => {
            let spec = KafkaSpec {
                java: java.clone(),
                libs: libs.clone(),
                port: plan.ports.kafka,
                controller_port: plan.ports.kafka_side,
                advertised_port: None,
                data: plan.data.join("kafka"),
                log: plan.logs.join("kafka.log"),
                secure: None,
            };
            Ok(Broker::Real(Box::new(Kafka::start(spec).await?)))
        }
        KafkaPart::Embedded { reason } => {
            let mock = MockKafka::start().await?;
            mock.create_topic(TOPIC, PARTITIONS).await?;
            // Clients begin at the well-known port and are told the mock's own one there.
            let forwarder = TcpProxy::start_on(plan.ports.kafka, mock.brokers()).await?;
            let control = MockControl::start(plan.ports.kafka_side, &mock)?;
            Ok(Broker::Embedded { _mock: mock, _forwarder: forwarder, control, reason })
        }
    }
}

async fn start_mailer(plan: &Plan) -> Result<Mailer> {
    if plan.running.mail {
        return Ok(Mailer::Foreign);
    }
    let Ports { smtp, mail, .. } = plan.ports;
    match &plan.parts.mail {
        MailPart::MailHog(program) => {
            let log = plan.logs.join("mailhog.log");
            let spec = MailHogSpec { program: program.clone(), smtp_port: smtp, http_port: mail, log };
            Ok(Mailer::MailHog(Box::new(MailHog::start(spec).await?)))
        }
        MailPart::Catcher => Ok(Mailer::Catcher { _catcher: MailCatcher::start(smtp, mail).await? }),
    }
}
