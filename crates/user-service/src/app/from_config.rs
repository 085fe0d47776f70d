//! Makes parts of the service from the configuration.

use std::{num::NonZero, path::PathBuf, sync::Arc};

use anyhow::Context;
use events::sealing::PublicKey;
use mongodb::Client;
use rdkafka::ClientConfig;
use service_kit::{Ids, kafka, mongo};
use uuid::Uuid;

use crate::{
    breached_passwords::BreachedPasswords,
    config::Config,
    domain::{AttributeRules, Lifetimes, PasswordPolicy, SessionTimes, TokenClaims},
    hashing::HashingSettings,
    http::{
        AllowedOrigins, ClientAddressHeader, TrustedProxies,
        pages::{self, Pages},
    },
    keys::KeyEncryptionKey,
    outbox::EventBuilder,
    relay::{PRODUCER_PROPERTIES, RelaySettings},
    usecase::{Invitations, PasswordValidation},
};

/// The parts that depend on nothing but the configuration. `check-config` makes the same parts as a start.
pub(super) struct ParsedConfig {
    pub(super) client: Client,
    pub(super) producer: ClientConfig,
    pub(super) admin: ClientConfig,
    pub(super) encryption: KeyEncryptionKey,
    pub(super) sealing: PublicKey,
    pub(super) hashing: HashingSettings,
    pub(super) passwords: PasswordValidation,
    pub(super) attributes: Arc<AttributeRules>,
    pub(super) claims: TokenClaims,
    pub(super) trusted_proxies: TrustedProxies,
    pub(super) origins: AllowedOrigins,
    pub(super) pages: Pages,
}

impl ParsedConfig {
    /// Checks the configuration and makes the parts.
    ///
    /// # Errors
    /// Returns an error that names the key.
    pub(super) async fn new(config: &Config) -> anyhow::Result<Self> {
        config.validate()?;
        let hashing = config.hashing.settings();
        hashing.validate()?;
        let attributes = Arc::new(attribute_rules(config)?);
        Ok(Self {
            hashing,
            encryption: KeyEncryptionKey::from_base64(&config.keys.encryption_key)?,
            sealing: read_sealing_key(config)?,
            trusted_proxies: trusted_proxies(config)?,
            origins: AllowedOrigins::parse(&config.http.cors_allowed_origins).context("http.cors_allowed_origins")?,
            pages: pages::load(&config.branding).context("branding.directory")?,
            passwords: password_rules(config)?,
            claims: TokenClaims::parse(&config.auth.claims, &attributes).context("auth.claims")?,
            attributes,
            producer: kafka::client_config(&config.kafka.brokers, &config.kafka.properties, PRODUCER_PROPERTIES)?,
            admin: kafka::admin_config(&config.kafka.brokers, &config.kafka.properties)?,
            client: mongo::client(&config.mongodb, "user-service").await?,
        })
    }
}

/// Returns how long tokens, sessions and links live.
pub(super) fn lifetimes(config: &Config) -> Lifetimes {
    let auth = &config.auth;
    Lifetimes {
        access_token: auth.access_token_ttl,
        client_token: auth.client_token_ttl,
        mfa_token: auth.mfa_token_ttl,
        sessions: SessionTimes {
            idle: auth.session_idle,
            max: auth.session_max,
            grace: auth.refresh_grace,
            retry: auth.refresh_retry,
        },
        verification_link: auth.verification_ttl,
        reset_link: auth.reset_ttl,
        invitation_link: auth.invitation_ttl,
        undo_link: auth.undo_ttl,
    }
}

/// Returns the settings of the relay. `replica` is the name of this process for the other replicas.
pub(super) fn relay_settings(
    config: &Config,
    client: ClientConfig,
    rules: Arc<AttributeRules>,
    replica: Uuid,
) -> RelaySettings {
    let (kafka, relay) = (&config.kafka, &config.relay);
    RelaySettings {
        client,
        topic: kafka.topic.clone(),
        state_topic: kafka.state_topic.clone(),
        rules,
        partitions: kafka.partitions,
        sweep_interval: relay.sweep_interval,
        sweep_min_age: relay.sweep_min_age,
        lease: relay.lease,
        replica,
    }
}

fn read_sealing_key(config: &Config) -> anyhow::Result<PublicKey> {
    let path = &config.sealing.public_key_file;
    let hint = "`email-service keygen --out DIR` creates it";
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("sealing.public_key_file {} cannot be read; {hint}", path.display()))?;
    PublicKey::from_base64(text.trim()).with_context(|| format!("sealing.public_key_file {}", path.display()))
}

/// Returns the rules for new passwords. Opens and checks the list of breached passwords.
fn password_rules(config: &Config) -> anyhow::Result<PasswordValidation> {
    let auth = &config.auth;
    let (host, issuer) = (auth.issuer_host(), auth.totp_issuer());
    let words: Vec<_> = auth.password_context_words.iter().chain([&host, &issuer]).map(String::as_str).collect();
    let policy = PasswordPolicy::new(auth.password_min_length, &words);
    let open = |path: &PathBuf| {
        BreachedPasswords::open(path).with_context(|| format!("auth.breached_passwords_file {}", path.display()))
    };
    let breached = auth.breached_passwords_file.as_ref().map(open).transpose()?;
    let slots = std::thread::available_parallelism().map_or(1, NonZero::get);
    Ok(PasswordValidation::new(policy, breached, slots, config.hashing.max_wait))
}

/// Returns the trusted proxies, and the header in which they send the address of the client.
fn trusted_proxies(config: &Config) -> anyhow::Result<TrustedProxies> {
    let http = &config.http;
    let header: ClientAddressHeader = http.client_address_header.parse().context("http.client_address_header")?;
    Ok(TrustedProxies::parse(&http.trusted_proxies).context("http.trusted_proxies")?.with_header(header))
}

/// Returns what an import needs to invite users: the sealing key, and how long a link works.
pub fn invitations(config: &Config, ids: &Ids) -> anyhow::Result<Invitations> {
    let outbox = EventBuilder::new(ids.clone(), ids.v4(), read_sealing_key(config)?);
    Ok(Invitations { outbox, lifetimes: lifetimes(config) })
}

/// Returns the rules for the attributes of users.
pub fn attribute_rules(config: &Config) -> anyhow::Result<AttributeRules> {
    let Some(path) = &config.attributes.schema_file else { return Ok(AttributeRules::default()) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("attributes.schema_file {} cannot be read", path.display()))?;
    AttributeRules::parse(&text).with_context(|| format!("attributes.schema_file {}", path.display()))
}
