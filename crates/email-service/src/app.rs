//! Connects the parts of the service, starts them, and stops them in order. No other file knows every part.

mod from_config;

use std::{sync::Arc, time::Duration};

use event_consumer::Consumer;
use service_kit::{
    Clock, Health, Ids, Lifecycle, Stage, mongo, ops,
    reload::{self, Hangups, Reloadable},
    topology::Topology,
};
use tokio::sync::Notify;

use crate::{
    config::Config,
    ingest::{
        decision::MailDecider,
        handler::{IngestMetrics, MailHandler},
        mail_writer::MailWriter,
    },
    ledger::{DeadLetterStore, Ledger, READINESS, Suppressions, indexes},
    ledger_gauges,
    mailer::{connection::DeliveryTimeouts, endpoint::Endpoint, server_pool::Pool},
    metrics::{Metrics, TOPOLOGY_FINDING},
    sender::{delivery::Sender, dispatcher::Dispatcher, recovery, send_tasks::SendTasks},
};

use from_config::ParsedConfig;
pub use from_config::{read_branding, renderer};

/// The running service; [`run`](Self::run) waits for it.
pub struct Application {
    lifecycle: Lifecycle,
    health: Health,
    grace: Duration,
}

impl Application {
    /// Binds the port and starts the background tasks. It waits for neither MongoDB, nor Kafka, nor a mail server;
    /// `/readyz` shows when they are available.
    ///
    /// # Errors
    /// Returns an error if the configuration is invalid, a port is in use, or a library refuses a setting.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let lifecycle = Lifecycle::new();
        let hangups = config.branding.directory.is_some().then(Hangups::listen).transpose()?;
        let (clock, ids) = (Clock::system(), Ids::random());
        let metrics = Metrics::new();
        let health = Health::new();
        let (mongodb, kafka) = (health.required("mongodb"), health.required("kafka"));
        // While no mail server is available, mails wait in the ledger.
        let smtp = health.optional("smtp");

        let instance = instance_name(&ids);
        let parsed = ParsedConfig::new(&config, &instance).await?;
        let keys = Arc::new(parsed.keys);
        tracing::info!(instance, keys = ?keys.kids().collect::<Vec<_>>(), "starting");
        let database = parsed.client.database(&config.mongodb.database);
        let deadline = config.mongodb.operation_timeout;
        let ledger = Ledger::new(&database, deadline, instance.clone());
        let dead_letters = DeadLetterStore::new(&database, deadline);
        let suppressions = Suppressions::new(&database, deadline);
        let endpoints = parsed
            .servers
            .into_iter()
            .map(|server| Endpoint::new(server, config.smtp.hello_name.clone(), config.smtp.step_timeout));
        let pool = Pool::new(endpoints.collect(), smtp, metrics.clone());
        let wake = Arc::new(Notify::new());
        let renderer = Reloadable::new(parsed.renderer);
        let sender = Arc::new(Sender {
            ledger: ledger.clone(),
            suppressions: suppressions.clone(),
            renderer: renderer.clone(),
            keys: Arc::clone(&keys),
            pool: pool.clone(),
            backoff: parsed.backoff,
            greylisting_pause: config.mail.greylisting_pause,
            timeouts: DeliveryTimeouts { body: config.body_timeout(), dot: config.smtp.dot_timeout },
            lease: config.sender.lease,
            clock: clock.clone(),
            metrics: metrics.clone(),
            stop: lifecycle.stopping(),
        });
        let sends = SendTasks::new(sender, config.sender.concurrency, lifecycle.clone());
        let dispatcher = Dispatcher::new(sends.clone(), Arc::clone(&wake));
        let decider = MailDecider::new(keys, parsed.max_event_age, parsed.sender_domain, instance);
        let writer = MailWriter {
            ledger: ledger.clone(),
            letters: dead_letters.clone(),
            suppressions: suppressions.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            wake: Arc::clone(&wake),
            sends: Some(sends),
        };
        let consumer = Consumer {
            subscription: parsed.subscription,
            handler: MailHandler { decider, writer: writer.clone() },
            dead_letters: writer,
            observer: Arc::new(IngestMetrics(metrics.clone())),
            check: kafka,
            clock: clock.clone(),
        };
        let topology = Topology::register(&metrics.registry(), TOPOLOGY_FINDING, health.clone())?;

        // Binds the listener before the tasks start that would have to be stopped on an error.
        ops::serve(&config.ops, health.clone(), metrics.registry(), &lifecycle)?;
        lifecycle.watch_signals()?;
        if let Some(hangups) = hangups {
            let (mail, branding) = (config.mail.clone(), config.branding.clone());
            let load = move || from_config::load_renderer(&mail, &branding);
            reload::on_hangup(&lifecycle, hangups, renderer, "branding", metrics.branding_failed(), load);
        }

        // The tasks, in the order in which they are stopped.
        consumer.start(&lifecycle)?;
        lifecycle.spawn(Stage::Intake, "dispatcher", |stop| dispatcher.run(stop));
        lifecycle.spawn(Stage::Intake, "recovery", |stop| recovery::run(ledger.clone(), wake, metrics.clone(), stop));
        lifecycle.spawn(Stage::Intake, "ledger-gauges", |stop| {
            ledger_gauges::run(ledger.clone(), dead_letters, clock, metrics.clone(), stop)
        });
        lifecycle.spawn(Stage::Support, "suppressions", |stop| suppressions.keep_in_memory(stop));
        lifecycle.spawn(Stage::Support, "smtp-watch", |stop| async move { pool.watch(stop).await });
        // Nothing needs the indexes for correctness.
        mongo::maintain(database, READINESS, indexes::all(config.ledger.retention), mongodb, &lifecycle);
        topology.watch_mongodb(parsed.client, &config.mongodb, &lifecycle);
        topology.watch_kafka(parsed.admin, vec![config.kafka.topic], &lifecycle);
        Ok(Self { lifecycle, health, grace: config.shutdown.grace })
    }

    /// Runs until the first signal, then stops in order within the grace period: reading and claiming
    /// end, and mails that are being sent are finished. All other mails are safe in the ledger.
    ///
    /// # Errors
    /// Returns the first failure of a task that cannot continue.
    pub async fn run(self) -> anyhow::Result<()> {
        self.lifecycle.run(&self.health, self.grace).await
    }
}

/// Checks whether the service would start with this configuration, as far as that is possible without a server: each
/// value is checked by the part that uses it.
///
/// # Errors
/// Returns the errors of [`Application::build`], except those of ports.
pub async fn check(config: &Config) -> anyhow::Result<()> {
    ParsedConfig::new(config, "check-config").await.map(drop)
}

/// Returns the name of this process in leases and histories: the host name and a random suffix.
fn instance_name(ids: &Ids) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let unique = ids.v4().simple().to_string();
    let host = host.trim();
    format!("{}-{}", if host.is_empty() { "email-service" } else { host }, &unique[..8])
}
