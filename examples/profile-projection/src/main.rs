//! A service that keeps a copy of the users, from the topic of states, and serves their profiles to signed-in users.
//! The environment variables below configure it. `docs/ADD-A-SERVICE.md` says how to make your own of it.

mod http;
mod read_model;

use std::{env, net::Ipv4Addr, sync::Arc, time::Duration};

use actix_web::{App, HttpServer, web::Data};
use event_consumer::{Consumer, Settings};
use service_kit::{
    Clock, Health, Lifecycle, LogConfig, MongoConfig, OpsConfig, Stage, config::LogFormat, http_server::serve_until,
    install_panic_hook, kafka::Properties, mongo, ops, telemetry,
};
use token_verifier::Verifier;

use crate::read_model::ReadModel;

/// The time from SIGTERM to the end of the process.
const GRACE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let setting = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let port: u16 = setting("PORT", "3003").parse()?;
    if env::args().nth(1).is_some_and(|command| command == "healthcheck") {
        let server = OpsConfig { host: Ipv4Addr::LOCALHOST.to_string(), port };
        return ops::healthcheck(&server).await.map_err(anyhow::Error::msg);
    }
    telemetry::init(&LogConfig { format: LogFormat::Auto, level: setting("LOG_LEVEL", "info") })?;
    install_panic_hook();
    let (lifecycle, health) = (Lifecycle::new(), Health::new());
    // While Kafka does not answer, the copy is served as it is.
    let (mongodb_check, kafka_check) = (health.required("mongodb"), health.optional("kafka"));

    let mut verifier =
        Verifier::builder(setting("ISSUER", "http://localhost:3000")).audience(setting("AUDIENCE", "user-service"));
    if let Ok(url) = env::var("JWKS_URL") {
        verifier = verifier.jwks_url(url);
    }
    let verifier = verifier.build()?;
    let config = MongoConfig {
        uri: setting("MONGODB_URI", "mongodb://localhost:27017").into(),
        database: setting("MONGODB_DATABASE", "consumers"),
        operation_timeout: Duration::from_secs(5),
    };
    let database = mongo::client(&config, "profile-projection").await?.database(&config.database);
    let users = ReadModel { database: database.clone(), collection: setting("COLLECTION", "profiles").leak() };
    let settings = Settings {
        brokers: setting("KAFKA_BROKERS", "localhost:9092"),
        topic: setting("STATE_TOPIC", "user.state"),
        group: setting("GROUP", "profile-projection"),
        properties: Properties::default(),
        max_poll_interval: Duration::from_secs(60),
        instance: "profile-projection".to_owned(),
    };
    let consumer = Consumer {
        subscription: settings.check()?,
        handler: users.clone(),
        dead_letters: users.clone(),
        observer: Arc::new(()),
        check: kafka_check,
        clock: Clock::system(),
    };

    let (index, probe) = (users.index(), database.collection("readiness"));
    let app = (Data::new(users), Data::new(verifier), Data::new(health.clone()));
    let server = HttpServer::new(move || {
        let (users, verifier, health) = app.clone();
        App::new().app_data(users).app_data(verifier).app_data(health).configure(http::routes)
    });
    let server = server.disable_signals().shutdown_timeout(10).bind((Ipv4Addr::UNSPECIFIED, port))?.run();

    // SIGTERM stops requests and the consumer first, and what they need after that.
    lifecycle.watch_signals()?;
    consumer.start(&lifecycle)?;
    let failing = lifecycle.clone();
    lifecycle.spawn(Stage::Intake, "http", |stop| async move {
        serve_until(server, stop.cancelled()).await.unwrap_or_else(|error| failing.fail(error.into()));
    });
    lifecycle.spawn(Stage::Support, "mongodb", |stop| async move {
        let index = [index];
        tokio::join!(
            mongo::monitor(probe, mongodb_check, stop.clone()),
            mongo::create_indexes(&database, &index, &stop)
        );
    });
    lifecycle.run(&health, GRACE).await
}
