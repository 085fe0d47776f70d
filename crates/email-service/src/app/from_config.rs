//! Makes parts of the service from the configuration.

use event_consumer::{Settings, Subscription};
use events::sealing::KeyRing;
use jiff::SignedDuration;
use mongodb::Client;
use rdkafka::ClientConfig;
use service_kit::{backoff::Backoff, kafka, mongo};

use crate::{
    config::{BrandingConfig, Config, MailConfig},
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
            renderer: renderer(&config.mail, &config.branding)?,
            max_event_age: config.mail.max_event_age()?,
            subscription: settings.check()?,
            admin: kafka::admin_config(&config.kafka.brokers, &config.kafka.properties)?,
            client: mongo::client(&config.mongodb, "email-service").await?,
        })
    }
}

/// Reads the folder of the brand, and makes the renderer with everything checked.
///
/// # Errors
/// Returns an error that names the key, and the file and the line within the folder.
pub fn renderer(mail: &MailConfig, branding: &BrandingConfig) -> anyhow::Result<Renderer> {
    let _ = branding;
    let (from, link_base_url) = mail.sender()?;
    Renderer::new(from, link_base_url).map_err(|error| {
        let key = match &error {
            RenderError::LinkBase(_) => "mail.link_base_url",
            RenderError::Sender => "mail.from",
            _ => "branding.directory",
        };
        anyhow::Error::new(error).context(key)
    })
}
