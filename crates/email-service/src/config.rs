//! The typed configuration; `config.default.toml` is its reference.

use std::{path::Path, time::Duration};

use events::sealing::{KeyError, KeyRing, PrivateKey};
use lettre::message::Mailbox;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use service_kit::{
    backoff::Backoff,
    config::{ConfigError, ConfigSource, LogConfig, MongoConfig, OpsConfig, ShutdownConfig},
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
};

/// All settings as they are written.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    pub ops: OpsConfig,
    pub mongodb: MongoConfig,
    pub kafka: KafkaConfig,
    pub ingest: IngestConfig,
    pub smtp: SmtpConfig,
    pub sender: SenderConfig,
    pub mail: MailConfig,
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
    /// Returns [`SettingError::Value`] if one of them is invalid.
    pub fn sender(&self) -> Result<(Mailbox, Url), SettingError> {
        let from = self
            .from
            .parse()
            .map_err(|_| SettingError::value("mail.from", "must be an address, or `Name <address>`"))?;
        let link_base_url = Url::parse(&self.link_base_url)
            .map_err(|error| SettingError::value("mail.link_base_url", error.to_string()))?;
        Ok((from, link_base_url))
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

/// An error in the configuration. It names the key and never shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{key}: {problem}")]
    Value { key: &'static str, problem: String },
}

impl SettingError {
    fn value(key: &'static str, problem: impl Into<String>) -> Self {
        Self::Value { key, problem: problem.into() }
    }
}

/// The parsed and checked configuration.
pub struct Settings {
    pub config: Config,
    pub servers: Vec<Server>,
    pub backoff: Backoff,
    pub from: Mailbox,
    pub link_base_url: Url,
    pub keys: KeyRing,
}

/// The minimum of `ingest.max_poll_interval`. Brokers refuse shorter sessions
/// (`group.min.session.timeout.ms`).
const SHORTEST_POLL_INTERVAL: Duration = Duration::from_secs(6);

/// The maximum of `sender.concurrency`. A larger value is a mistake.
const MAX_CONCURRENCY: usize = 1024;

impl Settings {
    /// Loads the settings from the defaults, `file` and the environment.
    ///
    /// # Errors
    /// Returns [`SettingError`] for the first mistake.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingError> {
        Self::new(SOURCE.load(file)?)
    }

    /// Parses and checks `config`.
    ///
    /// # Errors
    /// Returns [`SettingError::Value`] for the first mistake.
    pub fn new(config: Config) -> Result<Self, SettingError> {
        check_durations(&config)?;
        if config.kafka.topic.is_empty() || config.kafka.group.is_empty() {
            return Err(SettingError::value("kafka", "topic and group must be named"));
        }
        if !(1..=MAX_CONCURRENCY).contains(&config.sender.concurrency) {
            return Err(SettingError::value("sender.concurrency", format!("must be 1 to {MAX_CONCURRENCY}")));
        }
        if let Some(name) = &config.smtp.hello_name
            && url::Host::parse(name).is_err()
        {
            return Err(SettingError::value("smtp.hello_name", "must be a host name"));
        }
        let backoff = Backoff::new(config.mail.backoff.iter().map(|step| **step).collect())
            .map_err(|problem| SettingError::value("mail.backoff", format!("needs {problem}")))?;
        let (from, link_base_url) = config.mail.sender()?;
        Ok(Self {
            servers: parse_servers(&config.smtp)?,
            backoff,
            from,
            link_base_url,
            keys: parse_keys(&config.sealing)?,
            config,
        })
    }

    /// Returns the time limit for sending the body. Together with [`SmtpConfig::dot_timeout`] it is
    /// shorter than the lease, so that a mail is not taken over while its sender waits for the 250.
    #[must_use]
    pub fn body_timeout(&self) -> Duration {
        let spare = self.config.sender.lease.saturating_sub(self.config.smtp.dot_timeout);
        self.config.smtp.step_timeout.min(spare.mul_f64(0.8))
    }
}

fn check_durations(config: &Config) -> Result<(), SettingError> {
    let positive = [
        ("mongodb.operation_timeout", config.mongodb.operation_timeout),
        ("smtp.step_timeout", config.smtp.step_timeout),
        ("smtp.dot_timeout", config.smtp.dot_timeout),
        ("mail.max_event_age", config.mail.max_event_age),
    ];
    for (key, value) in positive {
        if value.is_zero() {
            return Err(SettingError::value(key, "must be longer than zero"));
        }
    }
    if config.ledger.retention <= config.mail.max_event_age {
        let problem =
            "must be longer than mail.max_event_age: otherwise a topic that is read again would send every mail again";
        return Err(SettingError::value("ledger.retention", problem));
    }
    if config.sender.lease <= config.smtp.dot_timeout {
        let problem = "must be longer than smtp.dot_timeout: otherwise a mail is taken over while its sender waits";
        return Err(SettingError::value("sender.lease", problem));
    }
    if config.ingest.max_poll_interval < SHORTEST_POLL_INTERVAL {
        return Err(SettingError::value("ingest.max_poll_interval", "must be at least 6s"));
    }
    Ok(())
}

fn parse_servers(smtp: &SmtpConfig) -> Result<Vec<Server>, SettingError> {
    let mut servers = Vec::new();
    for url in &smtp.url {
        let listed = Server::parse_list(url.expose_secret());
        servers.extend(listed.map_err(|error| SettingError::value("smtp.url", error.to_string()))?);
    }
    if servers.is_empty() {
        return Err(SettingError::value("smtp.url", "must name a server"));
    }
    Ok(servers)
}

fn parse_keys(sealing: &SealingConfig) -> Result<KeyRing, SettingError> {
    let unusable = |error: KeyError| SettingError::value("sealing.private_key", error.to_string());
    let keys = sealing.private_key.iter().map(|key| PrivateKey::from_base64(key.expose_secret()));
    KeyRing::new(keys.collect::<Result<Vec<_>, _>>().map_err(unusable)?).map_err(unusable)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 32 bytes that are no secret.
    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    fn load(variables: &[(&str, &str)]) -> Result<Settings, SettingError> {
        let key = [("SEALING__PRIVATE_KEY", KEY)];
        let env = key.iter().chain(variables);
        let env = env.map(|(name, value)| (format!("EMAIL_SERVICE__{name}"), (*value).to_owned()));
        Settings::new(SOURCE.load_from(None, env)?)
    }

    fn problem(variables: &[(&str, &str)]) -> String {
        match load(variables) {
            Ok(_) => panic!("accepted: {variables:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_key_of_the_defaults_is_read() {
        assert_eq!(SOURCE.unread_keys::<Config>().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn the_defaults_are_valid() {
        let settings = load(&[]).unwrap();
        assert_eq!(settings.servers[0].to_string(), "smtp://127.0.0.1:1025");
        assert_eq!(settings.from.email.to_string(), "no-reply@example.org");
        let config = &settings.config;
        assert_eq!(settings.body_timeout(), config.smtp.step_timeout);
        assert!(config.sender.lease > settings.body_timeout() + config.smtp.dot_timeout);
    }

    #[test]
    fn lists_are_separated_by_commas() {
        let settings = load(&[
            ("SMTP__URL", "smtp://a:1,smtps://u:p@b"),
            ("MAIL__BACKOFF", "1s, 2s"),
            ("SEALING__PRIVATE_KEY", &format!("{KEY},{KEY}")),
        ])
        .unwrap();
        assert_eq!(settings.servers.len(), 2);
        assert_eq!(settings.backoff.delay_after(2, None, 0.5), Duration::from_secs(2));
        assert_eq!(settings.keys.kids().count(), 2);
    }

    #[test]
    fn a_retention_shorter_than_the_maximum_event_age_is_refused() {
        assert!(problem(&[("LEDGER__RETENTION", "7d")]).starts_with("ledger.retention: must be longer"));
        assert!(load(&[("LEDGER__RETENTION", "7d 1s")]).is_ok());
    }

    #[test]
    fn the_lease_is_longer_than_the_body_and_dot_timeouts() {
        assert!(problem(&[("SENDER__LEASE", "60s")]).starts_with("sender.lease"));
        let settings = load(&[("SENDER__LEASE", "5s"), ("SMTP__DOT_TIMEOUT", "2s")]).unwrap();
        assert!(settings.body_timeout() + settings.config.smtp.dot_timeout < settings.config.sender.lease);
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
