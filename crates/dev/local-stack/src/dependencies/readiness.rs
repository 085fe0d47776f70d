//! Readiness checks: whether MongoDB, Kafka, an SMTP server or a web page answers on a local port.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use bson::doc;
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

use super::mongo_wire;
use crate::network::http;

const DEADLINE: Duration = Duration::from_secs(2);

/// Returns whether a server listens on this port.
pub async fn is_port_open(port: u16) -> bool {
    tokio::time::timeout(DEADLINE, TcpStream::connect(("127.0.0.1", port)))
        .await
        .is_ok_and(|connected| connected.is_ok())
}

/// Returns whether a MongoDB server answers on this port.
pub async fn is_mongodb_ready(port: u16) -> bool {
    mongo_wire::command(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port), doc! { "hello": 1 }, DEADLINE).await.is_ok()
}

/// Returns whether a Kafka cluster with at least one live broker answers at `brokers`.
pub async fn is_kafka_ready(brokers: &str, deadline: Duration) -> bool {
    let brokers = brokers.to_owned();
    let probe = move || {
        let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &brokers).create().ok()?;
        let metadata = consumer.fetch_metadata(None, deadline).ok()?;
        (!metadata.brokers().is_empty()).then_some(())
    };
    tokio::task::spawn_blocking(probe).await.ok().flatten().is_some()
}

/// Returns whether an SMTP server sends its greeting on this port.
pub async fn is_smtp_ready(port: u16) -> bool {
    let greeting = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let mut start = [0_u8; 4];
        stream.read_exact(&mut start).await.ok()?;
        start.starts_with(b"220").then_some(())
    };
    tokio::time::timeout(DEADLINE, greeting).await.ok().flatten().is_some()
}

/// Returns whether an HTTP server answers `GET /` on this port without an error.
pub async fn is_http_ready(port: u16) -> bool {
    http::get(port, "/", DEADLINE).await.is_ok_and(|response| response.status < 400)
}
