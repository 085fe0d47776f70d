//! Makes parts of the service from the configuration.

use anyhow::Context as _;
use branding::{Branding, BrandingConfig};
use event_consumer::{Settings, Subscription};
use events::sealing::KeyRing;
use i18n::InvalidFile;
use jiff::SignedDuration;
use mongodb::Client;
use rdkafka::ClientConfig;
use service_kit::{backoff::Backoff, kafka, mongo};

use crate::{
    config::{Config, MailConfig},
    mailer::server_config::Server,
    renderer::{RenderError, Renderer},
};

/// The parts that depend on nothing but the configuration. `check-config` makes the same parts as a start.
pub(super) struct ParsedConfig {
    pub(super) client: Client,
    pub(super) subscription: Subscription,
    pub(super) admin: ClientConfig,
    pub(super) keys: KeyRing,
    pub(super) servers: Vec<Server>,
    pub(super) backoff: Backoff,
    pub(super) renderer: Renderer,
    pub(super) sender_domain: String,
    pub(super) max_event_age: SignedDuration,
}

impl ParsedConfig {
    /// Checks the configuration and makes the parts. `instance` is the name of this process.
    ///
    /// # Errors
    /// Returns an error that names the key.
    pub(super) async fn new(config: &Config, instance: &str) -> anyhow::Result<Self> {
        config.validate()?;
        let (from, _) = config.mail.sender()?;
        let settings = Settings {
            brokers: config.kafka.brokers.clone(),
            topic: config.kafka.topic.clone(),
            group: config.kafka.group.clone(),
            properties: config.kafka.properties.clone(),
            max_poll_interval: config.ingest.max_poll_interval,
            instance: instance.to_owned(),
        };
        Ok(Self {
            keys: config.sealing.key_ring()?,
            servers: config.smtp.servers()?,
            backoff: config.mail.backoff()?,
            sender_domain: from.email.domain().to_owned(),
            renderer: load_renderer(&config.mail, &config.branding)?,
            max_event_age: config.mail.max_event_age()?,
            subscription: settings.check()?,
            admin: kafka::admin_config(&config.kafka.brokers, &config.kafka.properties)?,
            client: mongo::client(&config.mongodb, "email-service").await?,
        })
    }
}

/// Reads the folder of the brand. Without one, everything is built in.
///
/// # Errors
/// Returns an error that names the file and the line.
pub fn read_branding(config: &BrandingConfig) -> Result<Branding, InvalidFile> {
    config.directory.as_deref().map_or_else(|| Ok(Branding::default()), Branding::read)
}

/// Makes the renderer, and checks it with everything of the brand.
///
/// # Errors
/// Returns an error that names the key, or the file of the brand and the line.
pub fn renderer(mail: &MailConfig, branding: &Branding) -> anyhow::Result<Renderer> {
    let (from, link_base_url) = mail.sender()?;
    Renderer::new(from, link_base_url, branding).map_err(|error| match &error {
        RenderError::LinkBase(_) => anyhow::Error::new(error).context("mail.link_base_url"),
        RenderError::Sender => anyhow::Error::new(error).context("mail.from"),
        _ => error.into(),
    })
}

/// Reads the folder of the brand, and makes the renderer with it.
///
/// # Errors
/// Returns an error that names the key, and the file of the brand and the line.
pub(super) fn load_renderer(mail: &MailConfig, branding: &BrandingConfig) -> anyhow::Result<Renderer> {
    let loaded = read_branding(branding).map_err(anyhow::Error::new).and_then(|branding| renderer(mail, &branding));
    let renderer = if branding.directory.is_some() { loaded.context("branding.directory")? } else { loaded? };
    for missing in renderer.missing_texts() {
        tracing::warn!("{missing}");
    }
    Ok(renderer)
}
