//! A tiny HTTP endpoint beside the embedded broker, for what a client cannot ask a broker for.
//!
//! `PUT /topics/{name}?partitions=12` makes a topic (the mock has no CreateTopics), `POST /broker/down` and
//! `POST /broker/up` take the broker away and give it back, `PUT /broker/delay?ms=50` slows every answer.

use std::time::Duration;

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::ServerHandle,
    web::{self, Data, Path, Query},
};
use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::cluster::MockKafka;

/// The running endpoint. Dropping it ends it.
#[derive(Debug)]
pub struct MockControl {
    server: ServerHandle,
    port: u16,
}

impl MockControl {
    /// Serves on this port of 127.0.0.1.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(port: u16, mock: &MockKafka) -> Result<Self> {
        let mock = Data::new(mock.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(mock.clone())
                .route("/topics/{name}", web::put().to(create_topic))
                .route("/broker/down", web::post().to(broker_down))
                .route("/broker/up", web::post().to(broker_up))
                .route("/broker/delay", web::put().to(set_delay))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", port))
        .with_context(|| format!("cannot listen on port {port}"))?
        .run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { server: handle, port })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for MockControl {
    fn drop(&mut self) {
        // The order to stop is sent by the call; the future only waits for its end.
        drop(self.server.stop(false));
    }
}

#[derive(Deserialize)]
struct CreateTopicQuery {
    partitions: i32,
}

#[derive(Deserialize)]
struct DelayQuery {
    ms: u64,
}

async fn create_topic(mock: Data<MockKafka>, name: Path<String>, query: Query<CreateTopicQuery>) -> HttpResponse {
    respond(mock.create_topic(&name, query.partitions).await)
}

async fn broker_down(mock: Data<MockKafka>) -> HttpResponse {
    respond(mock.broker_down().await)
}

async fn broker_up(mock: Data<MockKafka>) -> HttpResponse {
    respond(mock.broker_up().await)
}

async fn set_delay(mock: Data<MockKafka>, query: Query<DelayQuery>) -> HttpResponse {
    respond(mock.set_delay(Duration::from_millis(query.ms)).await)
}

fn respond(result: Result<()>) -> HttpResponse {
    match result {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(error) => HttpResponse::BadRequest().body(format!("{error:#}\n")),
    }
}
