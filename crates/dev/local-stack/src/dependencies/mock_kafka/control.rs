//! The HTTP control endpoint of the embedded broker, for operations that Kafka clients cannot request.
//!
//! `PUT /topics/{name}?partitions=12` creates a topic (the mock cluster does not support CreateTopics),
//! `POST /broker/down` and `POST /broker/up` make the broker unavailable and available again, and
//! `PUT /broker/delay?ms=50` delays every response.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    dev::ServerHandle,
    web::{self, Data, Path, Query},
};
use anyhow::Result;
use serde::Deserialize;

use super::cluster::MockKafka;
use crate::dependencies::embedded_http;

/// The running endpoint. Dropping it stops it.
#[derive(Debug)]
pub struct MockControl {
    server: ServerHandle,
    port: u16,
}

impl MockControl {
    /// Starts the endpoint on this port of 127.0.0.1.
    ///
    /// # Errors
    /// Returns an error if it cannot listen.
    pub fn start(port: u16, mock: &MockKafka) -> Result<Self> {
        let mock = Data::new(mock.clone());
        let server = embedded_http::serve(port, move |config| {
            config
                .app_data(mock.clone())
                .route("/topics/{name}", web::put().to(create_topic))
                .route("/broker/down", web::post().to(broker_down))
                .route("/broker/up", web::post().to(broker_up))
                .route("/broker/delay", web::put().to(set_delay));
        })?;
        Ok(Self { server, port })
    }

    /// Returns the URL of the endpoint.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for MockControl {
    fn drop(&mut self) {
        // The call sends the stop command; its future only waits for the end of the server.
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
