//! Sends one HTTP request to a local server, without a connection pool, TLS or redirects.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// The maximum size of a response; larger than any that is expected.
const MAX_RESPONSE_BYTES: u64 = 8 * 1024 * 1024;

/// The status and the body of a response.
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
/// Returns an error if there is no HTTP response within `deadline`.
pub async fn request(method: &str, port: u16, path: &str, deadline: Duration) -> Result<Response> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        // With HTTP/1.0 the server closes the connection after the response and does not use chunked encoding.
        let head = format!("{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.take(MAX_RESPONSE_BYTES).read_to_end(&mut bytes).await?;
        anyhow::Ok(bytes)
    };
    let bytes = tokio::time::timeout(deadline, exchange)
        .await
        .with_context(|| format!("port {port} gave no HTTP response within {deadline:?}"))??;
    parse_response(&bytes)
}

/// Sends a GET request to `127.0.0.1:port`.
///
/// # Errors
/// Returns an error under the conditions of [`request`].
pub async fn get(port: u16, path: &str, deadline: Duration) -> Result<Response> {
    request("GET", port, path, deadline).await
}

fn parse_response(bytes: &[u8]) -> Result<Response> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").context("not an HTTP response")?;
    let mut words = head.split_whitespace();
    if !words.next().is_some_and(|version| version.starts_with("HTTP/1.")) {
        bail!("not an HTTP response");
    }
    let status = words.next().context("the HTTP response has no status")?.parse()?;
    Ok(Response { status, body: body.to_owned() })
}
