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
use service_kit::{
    CheckState, Clock, Health, Ids, Lifecycle, Stage,
    http_server::{self, Intake},
    mongo::{self, WorkerClients},
    ops, panics,
    prometheus::Registry,
    reload::{self, Hangups, Reloadable},
    topology::Topology,
};
use tokio::sync::watch;

use crate::{
    config::{Config, RegistrationMode},
    hashing::{HashMetrics, HashPool},
    housekeeping::Housekeeping,
    http::{
        self, AllowedOrigins, Discovery, HttpMetrics, RequestScope, ResponseMemory,
        cookies::CookieSettings,
        pages::{self, PageSettings, ServedPages, StartPage},
    },
    keys::{SessionSalts, SigningKeys},
    metrics::{AccountMetrics, PANICS, RelayMetrics, TOPOLOGY_FINDING, register_branding_failed},
    outbox::EventBuilder,
    relay::Relay,
    store::{self, Store},
    tokens::{AccessTokens, ClientTokens, Jwts, MfaTokens, RefreshTokens},
    usecase::{AccountService, AccountWriter, BackgroundQueue, ClientManagement, RateLimiter, Rules, Writes},
};

use from_config::{ParsedConfig, lifetimes, relay_settings};
pub use from_config::{attribute_rules, invitations};

/// The running service; [`run`](Self::run) waits for it.
pub struct Application {
    lifecycle: Lifecycle,
    health: Health,
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
        let hangups = config.branding.directory.is_some().then(Hangups::listen).transpose()?;
        let (clock, ids) = (Clock::system(), Ids::random());
        let registry = Registry::new();
        let health = Health::new();
        let (mongodb, kafka) = (health.required("mongodb"), health.optional("kafka"));
        // A broker that was not reached yet only delays events, which wait in MongoDB.
        kafka.set(CheckState::Degraded);

        let parsed = ParsedConfig::new(&config).await?;
        let encryption = parsed.encryption;
        let user_written = parsed.claims.user_written();
        if !user_written.is_empty() {
            tracing::info!(
                claims = user_written.join(", "),
                "users write these claims themselves: they must grant nothing"
            );
        }
        let worker_clients = WorkerClients::new(&config.mongodb, "user-service").await?;
        let database = parsed.client.database(&config.mongodb.database);
        let store = Store::new(&database, config.mongodb.operation_timeout, config.relay.max_pending_per_user);
        let hashes = HashPool::start(&parsed.hashing, HashMetrics::register(&registry)?)?;
        let signing = SigningKeys::new(
            store.keys.clone(),
            encryption.clone(),
            config.auth.signing_algorithm,
            config.keys.rotation,
            config.auth.longest_token_ttl(),
        );
        let (replica, salts) = (ids.v4(), SessionSalts::default());
        let relay = Relay::start(
            relay_settings(&config, parsed.producer, Arc::clone(&parsed.attributes), replica),
            store.outbox.clone(),
            store.leases.clone(),
            clock.clone(),
            kafka,
            RelayMetrics::register(&registry)?,
            &lifecycle,
        )?;
        let metrics = AccountMetrics::register(&registry)?;
        panics::register(&registry, PANICS.0, PANICS.1)?;
        let topology = Topology::register(&registry, TOPOLOGY_FINDING, health.clone())?;
        let (queue, background) = BackgroundQueue::new(clock.clone(), ids.clone(), metrics.clone());
        let (set_unique_indexes_ready, unique_indexes_ready) = watch::channel(false);
        let (auth, lifetimes) = (&config.auth, lifetimes(&config));
        let jwts = Jwts::new(Arc::clone(&signing), auth.issuer.clone(), auth.audience.clone(), auth.token_type);
        let writes = Writes::on_current_runtime();
        let (rate_limiter, refund_writer) =
            RateLimiter::new(store.throttles.clone(), &encryption, config.limits.clone(), metrics.clone());
        let accounts = Arc::new(AccountService {
            writer: AccountWriter { store: store.clone(), clock: clock.clone(), relay: Some(relay) },
            hashes,
            clients: ClientManagement {
                store: store.clone(),
                clock: clock.clone(),
                ids: ids.clone(),
                writes: writes.clone(),
            },
            access_tokens: AccessTokens::new(jwts.clone(), lifetimes.access_token),
            client_tokens: ClientTokens::new(jwts, lifetimes.client_token),
            refresh_tokens: RefreshTokens::new(&encryption, salts.clone()),
            mfa_tokens: MfaTokens::new(&encryption, lifetimes.mfa_token),
            outbox: EventBuilder::new(ids.clone(), replica, parsed.sealing),
            background: queue,
            rate_limiter,
            keys: encryption,
            clock: clock.clone(),
            ids: ids.clone(),
            lifetimes,
            rules: Rules {
                require_verified_email: auth.require_verified_email,
                new_sign_in_notice: auth.new_sign_in_notice,
                hidden_registration: auth.registration == RegistrationMode::Hidden,
                totp_issuer: auth.totp_issuer(),
                token_claims: parsed.claims,
            },
            passwords: parsed.passwords,
            attributes: parsed.attributes,
            metrics,
            writes,
            unique_indexes_ready,
            store: store.clone(),
        });

        // Binds both listeners before the tasks start that would have to be stopped on an error.
        let scope = RequestScope {
            clock: clock.clone(),
            ids: ids.clone(),
            trusted_proxies: parsed.trusted_proxies,
            metrics: HttpMetrics::register(&registry)?,
            error_pages: pages::error_page,
        };
        let (pages, branding_failed) = (Reloadable::new(parsed.pages), register_branding_failed(&registry)?);
        let served_pages = ServedPages::new(pages.clone(), branding_failed.clone());
        let start_page = StartPage::new(health.clone(), config.http.mails_url.as_ref());
        let cookies = CookieSettings::new(&config.auth.issuer);
        if config.pages.enabled && !cookies.is_secure() {
            tracing::info!("auth.issuer is plain HTTP on this host: cookies are without Secure and the prefix __Host-");
        } else if config.pages.enabled && config.auth.issuer.starts_with("http://") {
            tracing::warn!("auth.issuer is plain HTTP: browsers keep no cookie, so the pages work only over HTTPS");
        }
        let page_settings = PageSettings::new(config.pages.enabled, cookies, &accounts.keys, parsed.origins.clone());
        let (server, intake, api_addresses) = api_server(
            &config,
            Arc::clone(&accounts),
            scope,
            (parsed.origins, served_pages, start_page, page_settings),
            worker_clients,
        )?;
        let ops_address = ops::serve(&config.ops, health.clone(), registry, &lifecycle)?;
        lifecycle.watch_signals()?;
        if let Some(hangups) = hangups {
            let branding = config.branding.clone();
            let load = move || pages::load(&branding).context("branding.directory");
            reload::on_hangup(&lifecycle, hangups, pages, "branding", branding_failed, load);
        }

        // The tasks, in the order in which they are stopped.
        let grace = config.shutdown.grace;
        lifecycle.spawn(Stage::Intake, "api", {
            let (lifecycle, accounts) = (lifecycle.clone(), Arc::clone(&accounts));
            move |stop| async move {
                // Most of the grace period is for requests in progress.
                let closed = async {
                    stop.cancelled().await;
                    intake.close(grace / 4).await;
                };
                if let Err(error) = http_server::serve_until(server, closed).await {
                    lifecycle.fail(anyhow::Error::new(error).context("the HTTP server has failed"));
                }
                // These tasks outlive their requests, and have trackers of their own.
                accounts.writes.finish().await;
                accounts.rate_limiter.finish().await;
            }
        });
        lifecycle.spawn(Stage::Queues, "background", |stop| background.run(Arc::clone(&accounts), stop));
        lifecycle.spawn(Stage::Queues, "refunds", |stop| refund_writer.run(stop));
        lifecycle.spawn(Stage::Support, "signing-keys", |stop| Arc::clone(&signing).keep_fresh(stop));
        let (probe, indexes) =
            (database.collection(store::READINESS), store::non_unique_indexes(config.audit.retention));
        let keys = store.keys.clone();
        lifecycle.spawn(Stage::Support, "readiness", |stop| async move {
            // A registration needs the unique indexes, a login needs a signing key, a refresh is faster with the salts.
            if !mongo::create_indexes(&database, &store::unique_indexes(), &stop).await {
                return;
            }
            set_unique_indexes_ready.send_replace(true);
            salts.load(&keys, &stop).await;
            stop.run_until_cancelled(signing.wait_until_loaded()).await;
            tokio::join!(
                mongo::monitor(probe, mongodb, stop.clone()),
                mongo::create_indexes(&database, &indexes, &stop)
            );
        });
        topology.watch_mongodb(parsed.client, &config.mongodb, &lifecycle);
        let topics = std::iter::once(config.kafka.topic).chain(config.kafka.state_topic).collect();
        topology.watch_kafka(parsed.admin, topics, &lifecycle);
        let (holder, unverified_expiry) = (ids.v4(), config.auth.unverified_expiry);
        let housekeeping = Housekeeping { accounts: Arc::clone(&accounts), holder, unverified_expiry };
        lifecycle.spawn(Stage::Support, "housekeeping", |stop| housekeeping.run(stop));
        let limiting = Arc::clone(&accounts);
        lifecycle.spawn(Stage::Support, "rate-limiter-eviction", |stop| async move {
            limiting.rate_limiter.evict_idle(stop).await;
        });
        lifecycle.spawn(Stage::Support, "hash-pool", |stop| async move {
            stop.cancelled().await;
            accounts.hashes.shutdown();
        });
        for address in api_addresses {
            tracing::info!(%address, ops = %ops_address, "listening");
        }
        Ok(Self { lifecycle, health, grace })
    }

    /// Serves until the first signal, then stops in order within the grace period: requests and their writes, the
    /// background queues, the relay.
    ///
    /// # Errors
    /// Returns an error if the HTTP server fails.
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
    ParsedConfig::new(config).await.map(drop)
}

fn api_server(
    config: &Config,
    accounts: Arc<AccountService>,
    scope: RequestScope,
    (origins, pages, start_page, page_settings): (AllowedOrigins, ServedPages, StartPage, PageSettings),
    worker_clients: WorkerClients,
) -> anyhow::Result<(Server, Intake, Vec<SocketAddr>)> {
    let accounts = web::Data::from(accounts);
    let scope = web::Data::new(scope);
    let (pages, start_page) = (web::Data::new(pages), web::Data::new(start_page));
    let page_settings = web::Data::new(page_settings);
    let cookies = web::Data::new(CookieSettings::new(&config.auth.issuer));
    let origins = web::Data::new(origins);
    let discovery = web::Data::new(Discovery::new(&config.auth.issuer, config.http.docs));
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
            .app_data(start_page.clone())
            .app_data(page_settings.clone())
            .app_data(discovery.clone())
            .wrap(from_fn(move |request, next| answers.clone().reserve(request, next)))
            .wrap(origins.middleware())
            .wrap(from_fn(http::allow_credentials))
            .app_data(origins.clone())
            .app_data(cookies.clone())
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
