//! Starts and stops the parts of the service. No other file knows all of them.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use jiff::SignedDuration;
use service_kit::{Clock, Health, Ids, Lifecycle, Stage, mongo, ops};
use tokio::{runtime::Handle, sync::Notify};

use crate::{
    config::Settings,
    ingest::{batch::BatchWriter, client, consumer::Consumer, decision::RecordDecider},
    ledger::{DeadLetterStore, Ledger, READINESS, Suppressions, indexes},
    ledger_gauges,
    mailer::{connection::DeliveryTimeouts, endpoint::Endpoint, server_pool::Pool},
    metrics::Metrics,
    renderer::Renderer,
    sender::{delivery::Sender, dispatcher::Dispatcher, recovery},
};

/// The running service; [`run`](Self::run) waits for it.
pub struct Application {
    lifecycle: Lifecycle,
    health: Health,
    grace: Duration,
}

impl Application {
    /// Starts all parts. MongoDB, Kafka and the mail servers may be unreachable: each part waits
    /// for what it needs, and `/readyz` reports what is missing.
    ///
    /// # Errors
    /// Returns errors that waiting cannot repair: an invalid configuration, a port in use.
    pub async fn build(settings: Settings) -> anyhow::Result<Self> {
        let (clock, ids, lifecycle) = (Clock::system(), Ids::random(), Lifecycle::new());
        let (health, metrics) = (Health::new(), Metrics::new());
        let (mongodb, kafka_check) = (health.required("mongodb"), health.required("kafka"));
        // While no mail server is available, mails wait in the ledger.
        let smtp = health.optional("smtp");
        let body = settings.body_timeout();
        let Settings { config, servers, backoff, from, link_base_url, keys } = settings;
        let instance = instance_name(&ids);
        let domain = from.email.domain().to_owned();
        let keys = Arc::new(keys);
        tracing::info!(instance, keys = ?keys.kids().collect::<Vec<_>>(), "starting");

        let renderer = Renderer::new(from, link_base_url).context("mail.from, mail.link_base_url")?;
        let kafka = client::client_config(&config.kafka, config.ingest.max_poll_interval, &instance)?;
        ops::serve(&config.ops, health.clone(), metrics.registry(), &lifecycle)?;
        lifecycle.watch_signals()?;

        let client = mongo::client(&config.mongodb, "email-service").await?;
        let database = client.database(&config.mongodb.database);
        let deadline = config.mongodb.operation_timeout;
        let ledger = Ledger::new(&database, deadline, instance.clone());
        let dead_letters = DeadLetterStore::new(&database, deadline);
        let suppressions = Suppressions::new(&database, deadline);

        let endpoints = servers
            .into_iter()
            .map(|server| Endpoint::new(server, config.smtp.hello_name.clone(), config.smtp.step_timeout));
        let pool = Pool::new(endpoints.collect(), smtp, metrics.clone());

        let wake = Arc::new(Notify::new());
        let sender = Arc::new(Sender {
            ledger: ledger.clone(),
            suppressions: suppressions.clone(),
            renderer,
            keys: Arc::clone(&keys),
            pool: pool.clone(),
            backoff,
            greylisting_pause: config.mail.greylisting_pause,
            timeouts: DeliveryTimeouts { body, dot: config.smtp.dot_timeout },
            lease: config.sender.lease,
            clock: clock.clone(),
            metrics: metrics.clone(),
            stop: lifecycle.stopping(),
        });
        let dispatcher = Dispatcher::new(sender, config.sender.concurrency, Arc::clone(&wake), lifecycle.clone());
        let max_event_age = SignedDuration::try_from(config.mail.max_event_age).context("mail.max_event_age")?;
        let decider = RecordDecider::new(keys, max_event_age, domain, instance);
        let writer = BatchWriter {
            ledger: ledger.clone(),
            letters: dead_letters.clone(),
            suppressions,
            clock: clock.clone(),
            metrics: metrics.clone(),
            wake: Arc::clone(&wake),
        };
        let (runtime, stopping) = (Handle::current(), lifecycle.stopping());
        let consumer =
            Consumer::new(kafka, config.kafka.topic, decider, writer, kafka_check, runtime, stopping).start()?;

        lifecycle.spawn(Stage::Intake, "consumer", |_| async {
            // An error means that the thread ended without a message, as after a panic.
            let _ = consumer.await;
        });
        lifecycle.spawn(Stage::Intake, "dispatcher", |stop| dispatcher.run(stop));
        lifecycle.spawn(Stage::Intake, "recovery", |stop| recovery::run(ledger.clone(), wake, metrics.clone(), stop));
        lifecycle.spawn(Stage::Intake, "ledger-gauges", |stop| {
            ledger_gauges::run(ledger.clone(), dead_letters, clock, metrics.clone(), stop)
        });
        lifecycle.spawn(Stage::Support, "smtp-watch", |stop| async move { pool.watch(stop).await });
        let (probe, indexes) = (database.collection(READINESS), indexes::all(config.ledger.retention));
        lifecycle.spawn(Stage::Support, "readiness", |stop| async move {
            // Nothing needs the indexes for correctness.
            tokio::join!(
                mongo::monitor(probe, mongodb, stop.clone()),
                mongo::create_indexes(&database, &indexes, &stop)
            );
        });
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

/// Returns the name of this process in leases and histories: the host name and a random suffix.
fn instance_name(ids: &Ids) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let unique = ids.v4().simple().to_string();
    let host = host.trim();
    format!("{}-{}", if host.is_empty() { "email-service" } else { host }, &unique[..8])
}
