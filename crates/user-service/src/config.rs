//! The typed configuration. `config.default.toml` is its reference.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use branding::BrandingConfig;
use secrecy::SecretString;
use serde::Deserialize;
use service_kit::{
    config::{ConfigSource, LogConfig, MongoConfig, OpsConfig, ShutdownConfig},
    kafka::Properties,
};
use url::{Host, Url};

use crate::{
    domain::{SigningAlgorithm, TokenType},
    hashing::HashingSettings,
};

/// The source of the configuration: the embedded defaults, and the keys that are secrets.
pub const SOURCE: ConfigSource = ConfigSource {
    service: "user-service",
    defaults: include_str!("config.default.toml"),
    secrets: &[
        "mongodb.uri",
        "hashing.devise_pepper",
        "keys.encryption_key",
        "kafka.properties.sasl.password",
        "kafka.properties.ssl.key.password",
    ],
    dotted_tables: &["kafka.properties"],
};

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    pub http: HttpConfig,
    pub branding: BrandingConfig,
    pub pages: PagesConfig,
    pub ops: OpsConfig,
    pub mongodb: MongoConfig,
    pub kafka: TopicConfig,
    pub hashing: HashingConfig,
    pub limits: LimitsConfig,
    pub auth: AuthConfig,
    pub attributes: AttributesConfig,
    pub audit: AuditConfig,
    pub keys: KeysConfig,
    pub sealing: SealingConfig,
    pub relay: RelayConfig,
    pub shutdown: ShutdownConfig,
    pub log: LogConfig,
}

/// The listener of the public API.
#[derive(Debug, Clone, Deserialize)]
pub struct HttpConfig {
    pub host: String,
    pub port: u16,
    #[serde(deserialize_with = "service_kit::config::list")]
    pub trusted_proxies: Vec<String>,
    pub client_address_header: String,
    #[serde(deserialize_with = "service_kit::config::list")]
    pub cors_allowed_origins: Vec<String>,
    pub docs: bool,
    #[serde(deserialize_with = "service_kit::config::optional")]
    pub mails_url: Option<Url>,
    pub max_connections: usize,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub request_timeout: Duration,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub unread_timeout: Duration,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub keep_alive: Duration,
}

impl HttpConfig {
    fn validate(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            (1..=1_000_000).contains(&self.max_connections),
            "http.max_connections must be between 1 and 1000000"
        );
        let bounds = Duration::from_secs(1)..=Duration::from_secs(60 * 60);
        for (key, value) in [
            ("request_timeout", self.request_timeout),
            ("unread_timeout", self.unread_timeout),
            ("keep_alive", self.keep_alive),
        ] {
            anyhow::ensure!(bounds.contains(&value), "http.{key} must be between 1s and 1h");
        }
        let mails = self.mails_url.as_ref();
        anyhow::ensure!(
            mails.is_none_or(|url| matches!(url.scheme(), "http" | "https")),
            "http.mails_url must start with http:// or https://"
        );
        Ok(())
    }
}

/// The pages of an account.
#[derive(Debug, Clone, Deserialize)]
pub struct PagesConfig {
    pub enabled: bool,
}

/// The Kafka brokers, and the topics with their number of partitions.
#[derive(Debug, Clone, Deserialize)]
pub struct TopicConfig {
    pub brokers: String,
    pub topic: String,
    /// The topic of the users' states, if it is on.
    #[serde(deserialize_with = "service_kit::config::optional")]
    pub state_topic: Option<String>,
    pub properties: Properties,
    pub partitions: i32,
}

/// The parameters of Argon2id and the size of the pool.
#[derive(Debug, Clone, Deserialize)]
pub struct HashingConfig {
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
    pub threads: usize,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub max_wait: Duration,
    pub foreign_max_memory_kib: u32,
    pub foreign_max_cost: u32,
    #[serde(deserialize_with = "service_kit::config::optional_secret")]
    pub devise_pepper: Option<SecretString>,
}

impl HashingConfig {
    /// Returns the settings of the hash pool.
    #[must_use]
    pub fn settings(&self) -> HashingSettings {
        HashingSettings {
            memory_kib: self.memory_kib,
            iterations: self.iterations,
            parallelism: self.parallelism,
            threads: self.threads,
            max_wait: self.max_wait,
            foreign_max_memory_kib: self.foreign_max_memory_kib,
            foreign_max_cost: self.foreign_max_cost,
            devise_pepper: self.devise_pepper.clone(),
        }
    }
}

/// The rate limits.
#[derive(Debug, Clone, Deserialize)]
pub struct LimitsConfig {
    pub enabled: bool,
    pub login_free_failures: u32,
    pub account_free_failures: u32,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub login_first_wait: Duration,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub login_max_wait: Duration,
    /// The quota per hour and kind of mail.
    pub mails_per_address: u32,
    /// The quota per minute.
    pub requests_per_network: u32,
    /// The quota per hour.
    pub registrations_per_network: u32,
    /// The quota per hour.
    pub profile_changes_per_account: u32,
    /// The quota per day.
    pub username_changes_per_account: u32,
    /// The quota per hour.
    pub email_changes_per_account: u32,
    /// The quota per hour.
    pub password_changes_per_account: u32,
    /// The quota per hour.
    pub second_factor_changes_per_account: u32,
}

impl LimitsConfig {
    fn validate(&self) -> anyhow::Result<()> {
        for (key, value) in [
            ("login_free_failures", self.login_free_failures),
            ("account_free_failures", self.account_free_failures),
            ("mails_per_address", self.mails_per_address),
            ("requests_per_network", self.requests_per_network),
            ("registrations_per_network", self.registrations_per_network),
            ("profile_changes_per_account", self.profile_changes_per_account),
            ("username_changes_per_account", self.username_changes_per_account),
            ("email_changes_per_account", self.email_changes_per_account),
            ("password_changes_per_account", self.password_changes_per_account),
            ("second_factor_changes_per_account", self.second_factor_changes_per_account),
        ] {
            anyhow::ensure!((1..=1_000_000).contains(&value), "limits.{key} must be between 1 and 1000000");
        }
        let day = Duration::from_secs(24 * 60 * 60);
        anyhow::ensure!(
            !self.login_first_wait.is_zero() && self.login_first_wait <= self.login_max_wait,
            "limits.login_first_wait must not be 0s, nor longer than limits.login_max_wait"
        );
        anyhow::ensure!(self.login_max_wait <= day, "limits.login_max_wait must be at most 1day");
        Ok(())
    }
}

/// The settings of tokens, sessions and passwords.
#[derive(Debug, Clone, Deserialize)]
pub struct AuthConfig {
    pub issuer: String,
    pub audience: String,
    pub signing_algorithm: SigningAlgorithm,
    pub token_type: TokenType,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub access_token_ttl: Duration,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub client_token_ttl: Duration,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub refresh_grace: Duration,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub refresh_retry: Duration,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub session_idle: Duration,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub session_max: Duration,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub verification_ttl: Duration,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub reset_ttl: Duration,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub invitation_ttl: Duration,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub undo_ttl: Duration,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub mfa_token_ttl: Duration,
    #[serde(deserialize_with = "service_kit::config::optional")]
    pub totp_issuer: Option<String>,
    pub password_min_length: usize,
    #[serde(deserialize_with = "service_kit::config::list")]
    pub password_context_words: Vec<String>,
    #[serde(deserialize_with = "service_kit::config::optional")]
    pub breached_passwords_file: Option<PathBuf>,
    pub require_verified_email: bool,
    pub new_sign_in_notice: bool,
    pub registration: RegistrationMode,
    #[serde(deserialize_with = "service_kit::config::optional_duration")]
    pub unverified_expiry: Option<Duration>,
    /// The source of each claim.
    pub claims: BTreeMap<String, String>,
}

/// The mode of registration: whether the response reveals that an address has an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationMode {
    /// It reveals whether the address already has an account.
    Open,
    /// It reveals nothing.
    Hidden,
}

impl AuthConfig {
    /// Returns the longest lifetime of a token, for which its key is kept.
    #[must_use]
    pub fn longest_token_ttl(&self) -> Duration {
        self.access_token_ttl.max(self.client_token_ttl)
    }

    /// Returns the name that authenticator apps show above the code: the configured name, or the host of the issuer.
    #[must_use]
    pub fn totp_issuer(&self) -> String {
        totp_issuer(self.totp_issuer.as_deref(), &self.issuer)
    }

    /// Returns the host of `issuer`, or the whole value if it is no URL.
    #[must_use]
    pub fn issuer_host(&self) -> String {
        host_of(&self.issuer)
    }
}

/// Returns the name that authenticator apps show. A colon would end the name in an `otpauth:` URI, so an IPv6 address
/// is written with dashes.
fn totp_issuer(name: Option<&str>, issuer: &str) -> String {
    name.map_or_else(|| host_of(issuer).replace(':', "-"), str::to_owned)
}

/// Returns the host in its usual notation: international names in Unicode, IPv6 addresses without brackets.
fn host_of(issuer: &str) -> String {
    // RFC 7519 also allows an issuer that is no URL, such as `acme`.
    let url = if issuer.contains("://") { Url::parse(issuer) } else { Url::parse(&format!("http://{issuer}")) };
    match url.as_ref().ok().and_then(Url::host) {
        Some(Host::Domain(name)) => idna::domain_to_unicode(name).0,
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => issuer.to_owned(),
    }
}

/// The schema of the users' attributes.
#[derive(Debug, Clone, Deserialize)]
pub struct AttributesConfig {
    #[serde(deserialize_with = "service_kit::config::optional")]
    pub schema_file: Option<PathBuf>,
}

/// The retention of audit entries.
#[derive(Debug, Clone, Deserialize)]
pub struct AuditConfig {
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub retention: Duration,
}

/// The key-encryption key, and the rotation of the signing keys.
#[derive(Debug, Clone, Deserialize)]
pub struct KeysConfig {
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub rotation: Duration,
    /// The loader fills it from `encryption_key_file`.
    pub encryption_key: SecretString,
}

/// The email service's public key.
#[derive(Debug, Clone, Deserialize)]
pub struct SealingConfig {
    pub public_key_file: PathBuf,
}

/// The sweep and the bounds of the relay.
#[derive(Debug, Clone, Deserialize)]
pub struct RelayConfig {
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub sweep_interval: Duration,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub sweep_min_age: Duration,
    #[serde(deserialize_with = "service_kit::config::duration")]
    pub lease: Duration,
    pub max_pending_per_user: usize,
}

impl Config {
    /// Checks the rules that the types cannot express.
    ///
    /// # Errors
    /// Returns an error that names the key and the rule.
    pub fn validate(&self) -> anyhow::Result<()> {
        self.http.validate()?;
        anyhow::ensure!(self.kafka.partitions > 0, "kafka.partitions must be at least 1");
        anyhow::ensure!(
            self.kafka.state_topic.as_ref() != Some(&self.kafka.topic),
            "kafka.state_topic must not be kafka.topic: it is compacted, so most events would be deleted"
        );
        anyhow::ensure!(
            (2..=10_000).contains(&self.relay.max_pending_per_user),
            "relay.max_pending_per_user must be between 2 and 10000: the events are part of the user's document"
        );
        anyhow::ensure!(!self.relay.sweep_interval.is_zero(), "relay.sweep_interval must not be 0s");
        anyhow::ensure!(self.relay.lease.as_secs() >= 1, "relay.lease must be at least 1s");
        anyhow::ensure!(self.auth.access_token_ttl.as_secs() >= 1, "auth.access_token_ttl must be at least 1s");
        let hour = Duration::from_secs(60 * 60);
        anyhow::ensure!(
            (Duration::from_secs(1)..=hour).contains(&self.auth.client_token_ttl),
            "auth.client_token_ttl must be between 1s and 1h"
        );
        // The codes of one token are counted for an hour.
        anyhow::ensure!(
            (Duration::from_secs(1)..=hour).contains(&self.auth.mfa_token_ttl),
            "auth.mfa_token_ttl must be between 1s and 1h"
        );
        let named = self.auth.totp_issuer.as_ref();
        anyhow::ensure!(named.is_none_or(|name| !name.contains(':')), "auth.totp_issuer must not contain a colon");
        anyhow::ensure!(
            (1..=256).contains(&self.auth.password_min_length),
            "auth.password_min_length must be between 1 and 256"
        );
        self.limits.validate()?;
        anyhow::ensure!(
            self.auth.unverified_expiry.is_none_or(|expiry| expiry.as_secs() >= 1),
            "auth.unverified_expiry must be at least 1s, or \"off\""
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_name_no_key_that_is_not_read() {
        assert_eq!(SOURCE.unread_keys::<Config>().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn authenticators_show_the_configured_name_or_the_host_of_the_issuer() {
        for (name, issuer, shown) in [
            (None, "http://localhost:3000", "localhost"),
            (None, "https://id.example.org/", "id.example.org"),
            (None, "https://id.example.org/auth", "id.example.org"),
            (None, "http://[::1]:3000", "--1"),
            (None, "https://[2001:db8::7]/auth", "2001-db8--7"),
            (None, "https://192.0.2.1:8443", "192.0.2.1"),
            (None, "https://user:secret@id.example.org:8443", "id.example.org"),
            (None, "https://Bücher.example?x", "bücher.example"),
            (None, "localhost:3000", "localhost"),
            (None, "acme", "acme"),
            (None, "urn:example:id", "urn-example-id"),
            (Some("Acme Corp"), "https://id.example.org", "Acme Corp"),
        ] {
            assert_eq!(totp_issuer(name, issuer), shown, "{issuer}");
            assert!(!shown.contains(':'), "an `otpauth:` URI would end the name there");
        }
        assert_eq!(host_of("http://[::1]:3000"), "::1");
    }
}
