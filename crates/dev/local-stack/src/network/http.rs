//! One HTTP request to a server on this machine, for readiness: no pool, no TLS, no redirects.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// More than any probe's answer has.
const MAX_RESPONSE_BYTES: u64 = 8 * 1024 * 1024;

/// Status and body of an answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

/// Sends a request without a body to `127.0.0.1:port`.
///
/// # Errors
/// When there is no HTTP answer within `deadline`.
pub async fn request(method: &str, port: u16, path: &str, deadline: Duration) -> Result<Response> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        // HTTP/1.0: the server closes, and sends no chunks.
        let head = format!("{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.take(MAX_RESPONSE_BYTES).read_to_end(&mut bytes).await?;
        anyhow::Ok(bytes)
    };
    let bytes = tokio::time::timeout(deadline, exchange)
        .await
        .with_context(|| format!("port {port} gave no HTTP answer within {deadline:?}"))??;
    parse_response(&bytes)
}

/// [`request`] with GET.
///
/// # Errors
/// As [`request`].
pub async fn get(port: u16, path: &str, deadline: Duration) -> Result<Response> {
    request("GET", port, path, deadline).await
}

fn parse_response(bytes: &[u8]) -> Result<Response> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").context("no HTTP answer")?;
    let mut words = head.split_whitespace();
    if !words.next().is_some_and(|version| version.starts_with("HTTP/1.")) {
        bail!("no HTTP answer");
    }
    let status = words.next().context("no HTTP status")?.parse()?;
    Ok(Response { status, body: body.to_owned() })
}
