//! Connects the parts of the service, starts them, and stops them in order. No other file knows every
//! part.

mod from_config;

use std::{net::SocketAddr, num::NonZero, sync::Arc, time::Duration};

use actix_web::{
    App, HttpServer,
    dev::{Server, ServiceRequest},
    middleware::{Next, from_fn},
    web,
};
use anyhow::Context;
use mongodb::Database;
use service_kit::{
    Check, CheckState, Clock, Health, Ids, Lifecycle,
    http_server::{self, Intake},
    kafka,
    mongo::{self, WorkerClients},
    ops::{self, OpsServer},
    panics,
    prometheus::Registry,
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, RegistrationMode},
    hashing::{HashMetrics, HashPool},
    housekeeping::Housekeeping,
    http::{self, HttpMetrics, RequestScope, ResponseMemory, pages::Pages},
    keys::{KeyEncryptionKey, SigningKeys},
    metrics::{AccountMetrics, PANICS, RelayMetrics},
    outbox::EventBuilder,
    relay::{PRODUCER_PROPERTIES, Relay, RelaySettings},
    store::{self, SessionTimes, Store},
    tokens::{AccessTokens, MfaTokens, RefreshTokens},
    usecase::{AccountService, BackgroundQueue, RateLimiter, Rules, Writes},
};

pub use from_config::attribute_rules;
use from_config::{allowed_origins, limits, password_rules, read_sealing_key, trusted_proxies};

/// The service with bound listeners; [`run`](Self::run) waits for it.
pub struct Application {
    lifecycle: Lifecycle,
    accounts: Arc<AccountService>,
    health: Health,
    server: Server,
    intake: Intake,
    api_addresses: Vec<SocketAddr>,
    ops: OpsServer,
    background: JoinHandle<()>,
    stop_background: CancellationToken,
    grace: Duration,
}

impl Application {
    /// Binds the ports and starts the background tasks. It waits neither for MongoDB nor for Kafka; `/readyz` shows
    /// when they are available.
    ///
    /// # Errors
    /// Returns an error if a key cannot be read, a port is in use, or a library refuses a setting.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let lifecycle = Lifecycle::new();
        let (clock, ids) = (Clock::system(), Ids::random());
        let registry = Registry::new();
        let health =
            Health::new(&[Check { name: "mongodb", required: true }, Check { name: "kafka", required: false }]);
        // A broker that was not reached yet only delays events, which wait in MongoDB.
        health.set("kafka", CheckState::Degraded);
        let encryption = KeyEncryptionKey::from_base64(&config.keys.encryption_key)?;
        let sealing = read_sealing_key(&config)?;
        let client = mongo::client(&config.mongodb, "user-service").await?;
        let worker_clients = WorkerClients::new(&config.mongodb, "user-service").await?;
        let database = client.database(&config.mongodb.database);
        let store = Store::new(&database, config.mongodb.operation_timeout, config.relay.max_pending_per_user);
        let hashes = HashPool::start(config.hashing.settings(), HashMetrics::register(&registry)?)?;
        let signing = SigningKeys::new(
            store.keys.clone(),
            encryption.clone(),
            config.keys.rotation,
            config.auth.access_token_ttl,
        );
        let relay = start_relay(&config, &store, &clock, &ids, &health, &registry, &lifecycle)?;
        let metrics = AccountMetrics::register(&registry)?;
        panics::register(&registry, PANICS.0, PANICS.1)?;
        let (queue, background) = BackgroundQueue::new(clock.clone(), ids.clone(), metrics.clone());
        let (set_unique_indexes_ready, unique_indexes_ready) = watch::channel(false);
        let auth = &config.auth;
        let accounts = Arc::new(AccountService {
            relay,
            hashes,
            access_tokens: AccessTokens::new(
                Arc::clone(&signing),
                auth.issuer.clone(),
                auth.audience.clone(),
                auth.access_token_ttl,
            ),
            refresh_tokens: RefreshTokens::new(&encryption),
            mfa_tokens: MfaTokens::new(&encryption, auth.mfa_token_ttl),
            outbox: EventBuilder::new(ids.clone(), sealing),
            background: queue,
            rate_limiter: RateLimiter::new(store.throttles.clone(), &encryption, limits(&config), metrics.clone()),
            keys: encryption,
            clock: clock.clone(),
            ids: ids.clone(),
            rules: Rules {
                session_times: SessionTimes {
                    idle: auth.session_idle,
                    max: auth.session_max,
                    grace: auth.refresh_grace,
                    retry: auth.refresh_retry,
                },
                verification_ttl: auth.verification_ttl,
                reset_ttl: auth.reset_ttl,
                undo_ttl: auth.undo_ttl,
                require_verified_email: auth.require_verified_email,
                hidden_registration: auth.registration == RegistrationMode::Hidden,
                totp_issuer: auth.totp_issuer(),
            },
            passwords: password_rules(&config)?,
            attributes: attribute_rules(&config)?,
            metrics,
            writes: Writes::on_current_runtime(),
            unique_indexes_ready,
            store: store.clone(),
        });

        // Binds both listeners before the tasks start that would have to be stopped on an error.
        let scope = RequestScope {
            clock: clock.clone(),
            ids: ids.clone(),
            trusted_proxies: trusted_proxies(&config)?,
            metrics: HttpMetrics::register(&registry)?,
        };
        let (server, intake, api_addresses) = api_server(&config, Arc::clone(&accounts), scope, worker_clients)?;
        let ops = ops::serve(&config.ops, health.clone(), registry)?;

        lifecycle.spawn("signing-keys", Arc::clone(&signing).keep_fresh(lifecycle.drained()));
        let retention = config.audit.retention;
        let (gates, stop) =
            (ReadinessGates { unique_indexes: set_unique_indexes_ready, signing_keys: signing }, lifecycle.drained());
        lifecycle.spawn("database", watch_database(database, health.clone(), gates, retention, stop));
        let (holder, unverified_expiry) = (ids.v4(), config.auth.unverified_expiry);
        let housekeeping = Housekeeping { accounts: Arc::clone(&accounts), holder, unverified_expiry };
        lifecycle.spawn("housekeeping", housekeeping.run(lifecycle.drained()));
        let (this, stop) = (Arc::clone(&accounts), lifecycle.drained());
        lifecycle.spawn("rate-limiter-eviction", async move { this.rate_limiter.evict_idle(stop).await });
        let stop_background = CancellationToken::new();
        let background = tokio::spawn(background.run(Arc::clone(&accounts), stop_background.clone()));
        Ok(Self {
            lifecycle,
            accounts,
            health,
            server,
            intake,
            api_addresses,
            ops,
            background,
            stop_background,
            grace: config.shutdown.grace,
        })
    }

    /// Serves until the first signal, then stops in order within the grace period: requests, their writes, the
    /// background queues, the relay.
    ///
    /// # Errors
    /// Returns an error if the HTTP server fails.
    pub async fn run(self) -> anyhow::Result<()> {
        self.lifecycle.watch_signals()?;
        for address in &self.api_addresses {
            tracing::info!(%address, ops = %self.ops.address(), "listening");
        }
        let stopping = self.lifecycle.stopping();
        let handle = self.server.handle();
        let mut server = tokio::spawn(self.server);
        tokio::select! {
            () = stopping.cancelled() => {}
            // The error of the join is not used, because it would quote a panic.
            ended = &mut server => match ended {
                Ok(ended) => ended.context("the HTTP server has failed")?,
                Err(_) => anyhow::bail!("the task of the HTTP server has ended"),
            },
        }
        self.health.stop();
        let deadline = tokio::time::Instant::now() + self.grace;
        let intake = async {
            // Most of the grace period is for requests in progress.
            self.intake.close(self.grace / 4).await;
            handle.stop(true).await;
            self.accounts.writes.finish().await;
            self.stop_background.cancel();
            let _ = self.background.await;
        };
        if tokio::time::timeout_at(deadline, intake).await.is_err() {
            tracing::warn!("requests are still in progress at the end of the grace period");
        }
        let remaining = deadline.saturating_duration_since(tokio::time::Instant::now());
        self.lifecycle.finish(remaining).await;
        self.accounts.hashes.shutdown();
        self.ops.stop().await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Checks whether the service would start with this configuration, as far as that is possible without a server: each
/// value is checked by the part that uses it.
///
/// # Errors
/// Returns the errors of [`Application::build`], except those of ports.
pub async fn check(config: &Config) -> anyhow::Result<()> {
    config.validate()?;
    config.hashing.settings().validate()?;
    KeyEncryptionKey::from_base64(&config.keys.encryption_key)?;
    read_sealing_key(config)?;
    trusted_proxies(config)?;
    allowed_origins(config)?;
    password_rules(config)?;
    attribute_rules(config)?;
    Pages::new()?;
    kafka::client_config(&config.kafka.brokers, &config.kafka.properties, PRODUCER_PROPERTIES)?;
    mongo::client(&config.mongodb, "user-service").await?;
    Ok(())
}

fn start_relay(
    config: &Config,
    store: &Store,
    clock: &Clock,
    ids: &Ids,
    health: &Health,
    registry: &Registry,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Relay> {
    let client = kafka::client_config(&config.kafka.brokers, &config.kafka.properties, PRODUCER_PROPERTIES)?;
    let settings = RelaySettings {
        client,
        topic: config.kafka.topic.clone(),
        partitions: config.kafka.partitions,
        sweep_interval: config.relay.sweep_interval,
        sweep_min_age: config.relay.sweep_min_age,
        lease: config.relay.lease,
        holder: ids.v4(),
    };
    let metrics = RelayMetrics::register(registry)?;
    let (pending, leases) = (store.outbox.clone(), store.leases.clone());
    Ok(Relay::start(settings, pending, leases, clock.clone(), health.clone(), metrics, lifecycle)?)
}

fn api_server(
    config: &Config,
    accounts: Arc<AccountService>,
    scope: RequestScope,
    worker_clients: WorkerClients,
) -> anyhow::Result<(Server, Intake, Vec<SocketAddr>)> {
    let accounts = web::Data::from(accounts);
    let scope = web::Data::new(scope);
    let pages = web::Data::new(Pages::new()?);
    let origins = allowed_origins(config)?;
    let http = &config.http;
    let operation_timeout = config.mongodb.operation_timeout;
    let (host, port, request_timeout, docs) = (http.host.as_str(), http.port, http.request_timeout, http.docs);
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    let connections = http_server::connection_limit(http.max_connections);
    let answers = ResponseMemory::default();
    let listeners =
        http_server::listen(host, port).with_context(|| format!("the API cannot listen on {host}:{port}"))?;
    let intake = Intake::new(&listeners).context("the API cannot listen")?;
    let (passing, connecting) = (intake.clone(), intake.clone());
    let prepare = http_server::set_socket_options(http.unread_timeout);
    let mut server = HttpServer::new(move || {
        let intake = passing.clone();
        worker_clients.register_worker();
        let answers = answers.clone();
        App::new()
            .app_data(accounts.clone())
            .app_data(scope.clone())
            .app_data(pages.clone())
            .wrap(from_fn(move |request, next| answers.clone().reserve(request, next)))
            .wrap(origins.middleware())
            .wrap(from_fn(http::rate_limit_headers))
            .wrap(from_fn(http::request_context))
            .wrap(from_fn(move |request: ServiceRequest, next: Next<_>| {
                mongo::with_request_budget(operation_timeout, next.call(request))
            }))
            .wrap(from_fn(move |request, next| http_server::guard_body(request_timeout, request, next)))
            .wrap(from_fn(http::catch_panics))
            .wrap(from_fn(move |request, next| intake.clone().track_request(request, next)))
            .configure(|config| http::configure(config, docs))
    })
    .workers(workers)
    // The limit is per worker.
    .max_connections((connections / workers).max(1))
    .client_request_timeout(request_timeout)
    .keep_alive(http.keep_alive)
    .on_connect(move |connection, data| {
        prepare(connection, data);
        connecting.on_connect(data);
    })
    // A disconnected client cancels its request, so a queued hash is skipped.
    .h1_allow_half_closed(false)
    .shutdown_timeout(config.shutdown.grace.as_secs())
    .disable_signals();
    for listener in listeners {
        server = server.listen(listener).context("the API cannot listen")?;
    }
    let addresses = server.addrs();
    Ok((server.run(), intake, addresses))
}

/// The conditions of readiness besides the connection to MongoDB.
struct ReadinessGates {
    unique_indexes: watch::Sender<bool>,
    signing_keys: Arc<SigningKeys>,
}

/// Creates the unique indexes, allows registrations, waits for the signing keys, then creates the other indexes and
/// keeps the health check up to date.
async fn watch_database(
    database: Database,
    health: Health,
    gates: ReadinessGates,
    audit_retention: Duration,
    stop: CancellationToken,
) {
    if !create_indexes(&database, &store::unique_indexes(), &stop).await {
        return;
    }
    gates.unique_indexes.send_replace(true);
    tokio::select! {
        () = gates.signing_keys.wait_until_loaded() => {}
        () = stop.cancelled() => return,
    }
    let others = store::non_unique_indexes(audit_retention);
    let probe = database.collection(store::READINESS);
    tokio::join!(mongo::monitor(probe, health, stop.clone()), create_indexes(&database, &others, &stop));
}

/// Retries until the indexes exist. Returns `false` if it was stopped.
async fn create_indexes(database: &Database, indexes: &[mongo::IndexSpec], stop: &CancellationToken) -> bool {
    let mut pause = Duration::from_millis(100);
    loop {
        match mongo::ensure_indexes(database, indexes).await {
            Ok(()) => return true,
            Err(error) if error.is_transient() => tracing::debug!(%error, "the indexes cannot be created yet"),
            Err(error) => tracing::error!(%error, "an index cannot be created"),
        }
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(2)),
        }
    }
}
