//! A service that keeps a copy of the users, from the topic of states, and serves it to signed-in users. The
//! environment configures it. `docs/ADD-A-SERVICE.md` says how to run it, and how to make your own of it.

mod read_model;

use std::{env, fmt::Display, net::Ipv4Addr, time::Duration};

use actix_web::http::{StatusCode, header::AUTHORIZATION, header::WWW_AUTHENTICATE};
use actix_web::web::{Data, Path, get};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, error::InternalError};
use bson::{Document, RawDocumentBuf, doc};
use event_consumer::{Consumer, Settings};
use mongodb::Collection;
use service_kit::config::{LogConfig, LogFormat, MongoConfig, OpsConfig};
use service_kit::{Health, Lifecycle, cli, http_server, mongo, ops, telemetry};
use token_verifier::{Claims, Verifier};

use crate::read_model::{DEADLINE, ReadModel};

fn main() -> anyhow::Result<()> {
    // Unlike the runtime of `tokio::main`, this one is not shut down: MongoDB's driver could panic then.
    cli::block_on(serve())
}

async fn serve() -> anyhow::Result<()> {
    let setting = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let (host, port) = (Ipv4Addr::UNSPECIFIED, setting("PORT", "3003").parse()?);
    if env::args().nth(1).is_some_and(|command| command == "healthcheck") {
        return ops::healthcheck(&OpsConfig { host: host.to_string(), port }).await.map_err(anyhow::Error::msg);
    }
    telemetry::init(&LogConfig { format: LogFormat::Auto, level: setting("LOG_LEVEL", "info") })?;
    service_kit::install_panic_hook();
    let (lifecycle, health) = (Lifecycle::new(), Health::new());
    // Without Kafka the service is only degraded: it serves the copy as it is.
    let (mongodb_check, kafka_check) = (health.required("mongodb"), health.optional("kafka"));

    let issuer = setting("ISSUER", "http://localhost:3000");
    let keys = setting("JWKS_URL", &format!("{issuer}/.well-known/jwks.json"));
    let verifier = Verifier::builder(issuer).jwks_url(keys).audience(setting("AUDIENCE", "user-service")).build()?;
    let uri = setting("MONGODB_URI", "mongodb://localhost:27017").into();
    let config = MongoConfig { uri, database: setting("MONGODB_DATABASE", "consumers"), operation_timeout: DEADLINE };
    let database = mongo::client(&config, "profile-projection").await?.database(&config.database);
    let model = ReadModel { database: database.clone(), collection: setting("COLLECTION", "profiles").leak() };
    let users = Users { copy: database.collection(model.collection), verifier };
    let (brokers, topic) = (setting("KAFKA_BROKERS", "localhost:9092"), setting("STATE_TOPIC", "user.state"));
    let settings = Settings::new(brokers, topic, setting("GROUP", "profile-projection"));
    let (users, probes) = (Data::new(users), Data::new(health.clone()));
    let app = move || {
        let app = App::new().app_data(users.clone()).app_data(probes.clone());
        let app = app.route("/healthz", get().to(HttpResponse::Ok)).route("/readyz", get().to(ops::readyz));
        app.route("/profiles/{id}", get().to(profile)).route("/me", get().to(me))
    };

    // SIGTERM stops the consumer and the server first, and then what they need.
    http_server::spawn(HttpServer::new(app).disable_signals().bind((host, port))?.run(), &lifecycle);
    lifecycle.watch_signals()?;
    mongo::maintain(database, "readiness", vec![model.expiry()], mongodb_check, &lifecycle);
    Consumer::new(settings.check()?, model.clone(), model, kafka_check).start(&lifecycle)?;
    lifecycle.run(&health, Duration::from_secs(20)).await
}

/// Responds with what every signed-in user may see of an active user.
async fn profile(request: HttpRequest, id: Path<String>, users: Data<Users>) -> Result<HttpResponse, Error> {
    users.caller(&request).await?;
    let members = doc! { "username": 1, "displayName": 1, "locale": 1 };
    users.respond(doc! { "_id": id.into_inner(), "status": "active" }, members).await
}

/// Responds with everything that the copy has of the caller.
async fn me(request: HttpRequest, users: Data<Users>) -> Result<HttpResponse, Error> {
    let caller = users.caller(&request).await?;
    users.respond(doc! { "_id": caller.sub, "deleted": { "$exists": false } }, doc! {}).await
}

/// The copy, for those who have a valid access token.
struct Users {
    copy: Collection<RawDocumentBuf>,
    verifier: Verifier,
}

impl Users {
    /// Returns the claims of the access token.
    async fn caller(&self, request: &HttpRequest) -> Result<Claims, Error> {
        let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credentials = authorization.and_then(|value| value.split_once(' '));
        let bearer = credentials.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"));
        let claims = self.verifier.verify(bearer.map_or("", |(_, token)| token)).await;
        claims.map_err(|error| problem(error.status(), error))
    }

    /// Responds with these members of the user that matches.
    async fn respond(&self, filter: Document, members: Document) -> Result<HttpResponse, Error> {
        let found = mongo::with_deadline(DEADLINE, self.copy.find_one(filter).projection(members)).await;
        let found = found.map_err(|error| problem(503, error))?.ok_or_else(|| problem(404, "no such user"))?;
        // Serde would take an attribute `{"$oid": …}` for an id of MongoDB.
        let mut user = Document::try_from(found).map_err(|error| problem(503, error))?;
        let id = user.remove("_id");
        user.insert("id", id);
        Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(user))
    }
}

/// Returns the error that responds with a problem (RFC 9457).
fn problem(status: u16, cause: impl Display) -> Error {
    let code = StatusCode::from_u16(status).expect("a status of HTTP");
    let mut response = HttpResponse::build(code);
    match status {
        401 => _ = response.insert_header((WWW_AUTHENTICATE, "Bearer")),
        503 => tracing::warn!(%cause, "a request failed"),
        _ => {}
    }
    let body = serde_json::json!({ "type": "about:blank", "title": code.canonical_reason(), "status": status });
    InternalError::from_response(status, response.content_type("application/problem+json").json(body)).into()
}
