//! Tests of the ops endpoint over HTTP.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;
use crate::{Check, CheckState, ops::healthcheck};

fn localhost(port: u16) -> OpsConfig {
    OpsConfig { host: "127.0.0.1".into(), port }
}

/// A running ops endpoint, and the checks of its service.
struct Endpoint {
    address: SocketAddr,
    lifecycle: Lifecycle,
    mongodb: Check,
    kafka: Check,
}

impl Endpoint {
    async fn stop(self) {
        assert!(self.lifecycle.finish(Duration::from_secs(10)).await);
    }
}

fn start(registry: Registry) -> Endpoint {
    let (health, lifecycle) = (Health::new(), Lifecycle::new());
    let (mongodb, kafka) = (health.required("mongodb"), health.optional("kafka"));
    let address = serve(&localhost(0), health, registry, &lifecycle).unwrap();
    Endpoint { address, lifecycle, mongodb, kafka }
}

async fn request(server: &Endpoint, line: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_alive_before_it_is_ready() {
    let server = start(Registry::new());
    let alive = request(&server, "GET /livez").await;
    assert!(alive.starts_with("HTTP/1.1 200"), "{alive}");
    assert!(alive.ends_with(r#"{"status":"alive"}"#), "{alive}");

    let answer = request(&server, "GET /readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.ends_with(r#"{"status":"unavailable","checks":{"mongodb":"down","kafka":"down"}}"#), "{answer}");

    server.mongodb.set(CheckState::Ok);
    let answer = request(&server, "GET /readyz").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("content-type: application/json"), "{answer}");
    assert!(answer.ends_with(r#"{"status":"degraded","checks":{"mongodb":"ok","kafka":"down"}}"#), "{answer}");

    server.kafka.set(CheckState::Ok);
    let answer = request(&server, "GET /readyz").await;
    assert!(answer.ends_with(r#"{"status":"ready","checks":{"mongodb":"ok","kafka":"ok"}}"#), "{answer}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_include_those_of_the_process() {
    let registry = Registry::new();
    let counter = prometheus::IntCounter::new("mails_total", "Mails.").unwrap();
    registry.register(Box::new(counter.clone())).unwrap();
    counter.inc();
    let server = start(registry);
    let answer = request(&server, "GET /metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains("\nmails_total 1\n"), "{answer}");
    assert!(answer.contains("\nprocess_resident_memory_bytes "), "{answer}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_and_methods_are_refused() {
    let server = start(Registry::new());
    for (line, status) in [("GET /", 404), ("POST /livez", 405), ("HEAD /livez", 200), ("DELETE /metrics", 405)] {
        let answer = request(&server, line).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{line}: {answer}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let server = start(Registry::new());
    let port = server.address.port();
    let error = serve(&localhost(port), Health::new(), Registry::new(), &server.lifecycle).unwrap_err();
    assert_eq!(error.to_string(), format!("the ops endpoint cannot listen on 127.0.0.1:{port}"));
    assert!(std::error::Error::source(&error).is_some());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_endpoint_frees_its_port() {
    let server = start(Registry::new());
    let address = server.address;
    server.stop().await;
    TcpListener::bind(address).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_healthcheck_accepts_ready_and_degraded() {
    let server = start(Registry::new());
    let everywhere = OpsConfig { host: "0.0.0.0".into(), port: server.address.port() };
    let error = healthcheck(&everywhere).await.unwrap_err();
    assert!(error.contains("503") && error.contains(r#""mongodb":"down""#), "{error}");
    server.mongodb.set(CheckState::Ok);
    healthcheck(&everywhere).await.unwrap();
    server.kafka.set(CheckState::Ok);
    healthcheck(&everywhere).await.unwrap();
    server.stop().await;
    let error = healthcheck(&everywhere).await.unwrap_err();
    assert!(error.contains("127.0.0.1"), "{error}");
}
