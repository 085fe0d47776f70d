//! The ops endpoint: `/livez`, `/readyz` and `/metrics`, on its own port and its own worker, so
//! that it answers while the public endpoint is overloaded.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_web::{
    App, Error, HttpResponse, HttpServer,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error::ErrorInternalServerError,
    http::header,
    middleware::{Next, from_fn},
    web::{self, Data},
};
use prometheus::{Encoder as _, Registry, TextEncoder, process_collector::ProcessCollector};

use super::{Health, Status};
use crate::{
    config::OpsConfig,
    http_server::{guard_body, serve_until, set_socket_options},
    lifecycle::{Lifecycle, Stage},
    panics,
};

/// The maximum number of connections. There are only a few probes and scrapers.
const MAX_CONNECTIONS: usize = 256;
/// The time a client may take to send a request's head, to send a request's body, until its next
/// request, and to read an answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);

/// The ops endpoint cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("the ops endpoint cannot listen on {host}:{port}")]
pub struct OpsError {
    host: String,
    port: u16,
    #[source]
    source: io::Error,
}

/// Starts the ops endpoint, with the metrics of `registry` and of the process, as the last stage of
/// `lifecycle`. Returns the address it listens on, with the actual port if the configuration says 0.
///
/// # Errors
/// Returns an error if the address cannot be bound.
///
/// # Panics
/// Panics outside a Tokio runtime.
pub fn serve(
    config: &OpsConfig,
    health: Health,
    registry: Registry,
    lifecycle: &Lifecycle,
) -> Result<SocketAddr, OpsError> {
    // This fails only if the metrics of the process are already registered.
    let _ = registry.register(Box::new(ProcessCollector::for_self()));
    let listen_error = |source| OpsError { host: config.host.clone(), port: config.port, source };
    let listener = TcpListener::bind((config.host.trim_matches(['[', ']']), config.port)).map_err(listen_error)?;
    let address = listener.local_addr().map_err(listen_error)?;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(health.clone()))
            .app_data(Data::new(registry.clone()))
            .wrap(from_fn(|request, next| guard_body(CLIENT_TIMEOUT, request, next)))
            .wrap(from_fn(catch_panics))
            .configure(routes)
    })
    .workers(1)
    .max_connections(MAX_CONNECTIONS)
    .client_request_timeout(CLIENT_TIMEOUT)
    .keep_alive(CLIENT_TIMEOUT)
    .on_connect(set_socket_options(CLIENT_TIMEOUT))
    .disable_signals()
    .shutdown_timeout(1)
    .listen(listener)
    .map_err(listen_error)?
    .run();
    lifecycle.spawn(Stage::Ops, "ops-endpoint", |stop| async move {
        if let Err(error) = serve_until(server, stop.cancelled()).await {
            tracing::error!(%error, "the ops endpoint has failed");
        }
    });
    tracing::info!(%address, "ops endpoint listens");
    Ok(address)
}

/// Answers 500 to a request if its handler or an inner middleware panics.
async fn catch_panics<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let result = panics::catch_future("ops", async { next.call(request).await }).await;
    result.unwrap_or_else(|_| Err(ErrorInternalServerError("internal error")))
}

fn routes(app: &mut web::ServiceConfig) {
    let get_or_head = |path: &str| web::resource(path.to_owned());
    app.service(get_or_head("/livez").route(web::get().to(livez)).route(web::head().to(livez)))
        .service(get_or_head("/readyz").route(web::get().to(readyz)).route(web::head().to(readyz)))
        .service(web::resource("/metrics").route(web::get().to(metrics)));
}

async fn livez() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(serde_json::json!({ "status": "alive" }))
}

/// Answers with the readiness: 503 if the service is unavailable. For a service that has it on another endpoint too.
pub async fn readyz(health: Data<Health>) -> HttpResponse {
    let readiness = health.report();
    let mut response = match readiness.status {
        Status::Ready | Status::Degraded => HttpResponse::Ok(),
        Status::Unavailable => HttpResponse::ServiceUnavailable(),
    };
    response.insert_header((header::CACHE_CONTROL, "no-store")).json(readiness)
}

async fn metrics(registry: Data<Registry>) -> HttpResponse {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&registry.gather(), &mut text) {
        Ok(()) => HttpResponse::Ok().content_type(encoder.format_type()).body(text),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be encoded");
            HttpResponse::InternalServerError().finish()
        }
    }
}

#[cfg(test)]
mod tests;
