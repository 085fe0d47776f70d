//! The typed configuration; `config.default.toml` is its reference.

use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use branding::BrandingConfig;
use event_consumer::SHORTEST_POLL_INTERVAL;
use events::sealing::{KeyRing, PrivateKey};
use jiff::SignedDuration;
use lettre::message::Mailbox;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use service_kit::{
    backoff::Backoff,
    config::{ConfigSource, LogConfig, MongoConfig, OpsConfig, ShutdownConfig},
    kafka::Properties,
};
use url::Url;

use crate::mailer::server_config::Server;

/// The source of the configuration: the embedded defaults, and the keys that are secrets.
pub const SOURCE: ConfigSource = ConfigSource {
    service: "email-service",
    defaults: include_str!("config.default.toml"),
    secrets: &[
        "mongodb.uri",
        "smtp.url",
        "sealing.private_key",
        "kafka.properties.sasl.password",
        "kafka.properties.ssl.key.password",
    ],
    dotted_tables: &["kafka.properties"],
};

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    pub ops: OpsConfig,
    pub mongodb: MongoConfig,
    pub kafka: KafkaConfig,
    pub ingest: IngestConfig,
    pub smtp: SmtpConfig,
    pub sender: SenderConfig,
    pub mail: MailConfig,
    pub branding: BrandingConfig,
    pub ledger: LedgerConfig,
    pub sealing: SealingConfig,
    pub shutdown: ShutdownConfig,
    pub log: LogConfig,
}

/// The Kafka connection, the topic and the consumer group.
#[derive(Debug, Clone, Deserialize)]
pub struct KafkaConfig {
    pub brokers: String,
    pub topic: String,
    pub group: String,
    #[serde(default)]
    pub properties: Properties,
}

/// How the topic is read.
#[derive(Debug, Clone, Deserialize)]
pub struct IngestConfig {
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub max_poll_interval: Duration,
}

/// The mail servers.
#[derive(Debug, Clone, Deserialize)]
pub struct SmtpConfig {
    #[serde(deserialize_with = "service_kit::config::secret_list")]
    pub url: Vec<SecretString>,
    #[serde(deserialize_with = "service_kit::config::optional")]
    pub hello_name: Option<String>,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub step_timeout: Duration,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub dot_timeout: Duration,
}

/// The senders.
#[derive(Debug, Clone, Deserialize)]
pub struct SenderConfig {
    pub concurrency: usize,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub lease: Duration,
}

/// The sender's address and links of the mails, and their retries.
#[derive(Debug, Clone, Deserialize)]
pub struct MailConfig {
    pub from: String,
    pub link_base_url: String,
    #[serde(deserialize_with = "service_kit::config::list")]
    pub backoff: Vec<humantime::Duration>,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub greylisting_pause: Duration,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub max_event_age: Duration,
}

impl MailConfig {
    /// Returns the sender's address and the base URL of the links.
    ///
    /// # Errors
    /// Returns an error that names the key if one of them is invalid.
    pub fn sender(&self) -> anyhow::Result<(Mailbox, Url)> {
        let from = self.from.parse().map_err(|_| anyhow!("mail.from: must be an address, or `Name <address>`"))?;
        Ok((from, Url::parse(&self.link_base_url).context("mail.link_base_url")?))
    }

    /// Returns the delays between the attempts to send a mail.
    ///
    /// # Errors
    /// Returns an error that names the key if there is none, or one is zero.
    pub fn backoff(&self) -> anyhow::Result<Backoff> {
        Backoff::new(self.backoff.iter().map(|step| **step).collect())
            .map_err(|problem| anyhow!("mail.backoff: needs {problem}"))
    }

    /// Returns the maximum age of an event that is mailed.
    ///
    /// # Errors
    /// Returns an error that names the key if it is longer than a timestamp can express.
    pub fn max_event_age(&self) -> anyhow::Result<SignedDuration> {
        self.max_event_age.try_into().context("mail.max_event_age")
    }
}

/// How long mails are kept in the ledger.
#[derive(Debug, Clone, Deserialize)]
pub struct LedgerConfig {
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub retention: Duration,
}

/// The private keys for the sealed tokens.
#[derive(Debug, Clone, Deserialize)]
pub struct SealingConfig {
    #[serde(deserialize_with = "service_kit::config::secret_list")]
    pub private_key: Vec<SecretString>,
}

/// The maximum of `sender.concurrency`. A larger value is a mistake.
const MAX_CONCURRENCY: usize = 1024;

impl Config {
    /// Checks the rules that the types cannot express.
    ///
    /// # Errors
    /// Returns an error that names the key and the rule.
    pub fn validate(&self) -> anyhow::Result<()> {
        for (key, value) in [
            ("mongodb.operation_timeout", self.mongodb.operation_timeout),
            ("smtp.step_timeout", self.smtp.step_timeout),
            ("smtp.dot_timeout", self.smtp.dot_timeout),
            ("mail.max_event_age", self.mail.max_event_age),
        ] {
            ensure!(!value.is_zero(), "{key}: must be longer than zero");
        }
        ensure!(
            self.ledger.retention > self.mail.max_event_age,
            "ledger.retention: must be longer than mail.max_event_age: otherwise a topic that is read again would send \
             every mail again"
        );
        ensure!(
            self.sender.lease > self.smtp.dot_timeout,
            "sender.lease: must be longer than smtp.dot_timeout: otherwise a mail is taken over while its sender waits"
        );
        ensure!(
            self.ingest.max_poll_interval >= SHORTEST_POLL_INTERVAL,
            "ingest.max_poll_interval: must be at least 6s"
        );
        ensure!(!self.kafka.topic.is_empty() && !self.kafka.group.is_empty(), "kafka: topic and group must be named");
        ensure!(
            (1..=MAX_CONCURRENCY).contains(&self.sender.concurrency),
            "sender.concurrency: must be 1 to {MAX_CONCURRENCY}"
        );
        ensure!(
            self.smtp.hello_name.as_ref().is_none_or(|name| url::Host::parse(name).is_ok()),
            "smtp.hello_name: must be a host name"
        );
        Ok(())
    }

    /// Returns the time limit for sending the body. Together with [`SmtpConfig::dot_timeout`] it is
    /// shorter than the lease, so that a mail is not taken over while its sender waits for the 250.
    #[must_use]
    pub fn body_timeout(&self) -> Duration {
        let spare = self.sender.lease.saturating_sub(self.smtp.dot_timeout);
        self.smtp.step_timeout.min(spare.mul_f64(0.8))
    }
}

impl SmtpConfig {
    /// Returns the mail servers, in the order of their use.
    ///
    /// # Errors
    /// Returns an error that names the key if a URL is invalid, or there is none.
    pub fn servers(&self) -> anyhow::Result<Vec<Server>> {
        let mut servers = Vec::new();
        for url in &self.url {
            servers.extend(Server::parse_list(url.expose_secret()).context("smtp.url")?);
        }
        ensure!(!servers.is_empty(), "smtp.url: must name a server");
        Ok(servers)
    }
}

impl SealingConfig {
    /// Returns the private keys.
    ///
    /// # Errors
    /// Returns an error that names the key if one is invalid, or there is none.
    pub fn key_ring(&self) -> anyhow::Result<KeyRing> {
        let keys = self.private_key.iter().map(|key| PrivateKey::from_base64(key.expose_secret()));
        keys.collect::<Result<Vec<_>, _>>().and_then(KeyRing::new).context("sealing.private_key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 32 bytes that are no secret.
    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    fn load(variables: &[(&str, &str)]) -> anyhow::Result<Config> {
        let key = [("SEALING__PRIVATE_KEY", KEY)];
        let env = key.iter().chain(variables);
        let env = env.map(|(name, value)| (format!("EMAIL_SERVICE__{name}"), (*value).to_owned()));
        let config: Config = SOURCE.load_from(None, env)?;
        config.validate()?;
        Ok(config)
    }

    /// Returns the error of the value, from its rule or from the function that parses it.
    fn problem(variables: &[(&str, &str)]) -> String {
        let parsed = load(variables).and_then(|config| {
            config.smtp.servers()?;
            config.mail.backoff()?;
            config.mail.sender()?;
            config.sealing.key_ring().map(drop)
        });
        format!("{:#}", parsed.expect_err("the value is refused"))
    }

    #[test]
    fn every_key_of_the_defaults_is_read() {
        assert_eq!(SOURCE.unread_keys::<Config>().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn the_defaults_are_valid() {
        let config = load(&[]).unwrap();
        assert_eq!(config.smtp.servers().unwrap()[0].to_string(), "smtp://127.0.0.1:1025");
        assert_eq!(config.mail.sender().unwrap().0.email.to_string(), "no-reply@example.org");
        assert!(config.mail.backoff().is_ok() && config.mail.max_event_age().is_ok());
        assert_eq!(config.body_timeout(), config.smtp.step_timeout);
        assert!(config.sender.lease > config.body_timeout() + config.smtp.dot_timeout);
    }

    #[test]
    fn lists_are_separated_by_commas() {
        let config = load(&[
            ("SMTP__URL", "smtp://a:1,smtps://u:p@b"),
            ("MAIL__BACKOFF", "1s, 2s"),
            ("SEALING__PRIVATE_KEY", &format!("{KEY},{KEY}")),
        ])
        .unwrap();
        assert_eq!(config.smtp.servers().unwrap().len(), 2);
        assert_eq!(config.mail.backoff().unwrap().delay_after(2, None, 0.5), Duration::from_secs(2));
        assert_eq!(config.sealing.key_ring().unwrap().kids().count(), 2);
    }

    #[test]
    fn a_retention_shorter_than_the_maximum_event_age_is_refused() {
        assert!(problem(&[("LEDGER__RETENTION", "7d")]).starts_with("ledger.retention: must be longer"));
        assert!(load(&[("LEDGER__RETENTION", "7d 1s")]).is_ok());
    }

    #[test]
    fn the_lease_is_longer_than_the_body_and_dot_timeouts() {
        assert!(problem(&[("SENDER__LEASE", "60s")]).starts_with("sender.lease"));
        let config = load(&[("SENDER__LEASE", "5s"), ("SMTP__DOT_TIMEOUT", "2s")]).unwrap();
        assert!(config.body_timeout() + config.smtp.dot_timeout < config.sender.lease);
    }

    #[test]
    fn invalid_values_are_refused_by_key_and_secrets_are_not_shown() {
        for (key, value, named) in [
            ("SENDER__CONCURRENCY", "0", "sender.concurrency"),
            ("MAIL__FROM", "no address", "mail.from"),
            ("MAIL__LINK_BASE_URL", "here", "mail.link_base_url"),
            ("MAIL__BACKOFF", "", "mail.backoff"),
            ("SMTP__STEP_TIMEOUT", "0s", "smtp.step_timeout"),
            ("SMTP__HELLO_NAME", "mail example.org", "smtp.hello_name"),
            ("INGEST__MAX_POLL_INTERVAL", "1s", "ingest.max_poll_interval"),
            ("SMTP__URL", "smtp://user:hunter2@host/path", "smtp.url"),
            ("SEALING__PRIVATE_KEY", "hunter2", "sealing.private_key"),
        ] {
            let problem = problem(&[(key, value)]);
            assert!(problem.starts_with(named), "{key}: {problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
