//! A minimal HTTP client: one keep-alive connection that sends one request after the other.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// A connection to `host:port`.
pub(crate) struct Connection {
    authority: String,
    sender: SendRequest<Full<Bytes>>,
}

/// A request to send. It is cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) token: Option<String>,
    /// The client address that the proxy reports; without it, the connection's own address counts.
    pub(crate) from: Option<Ipv4Addr>,
    pub(crate) body: Bytes,
}

impl ApiRequest {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), token: None, from: None, body: Bytes::new() }
    }

    pub(crate) fn post(path: impl Into<String>, body: &Value) -> Self {
        Self { method: Method::POST, path: path.into(), token: None, from: None, body: body.to_string().into() }
    }

    pub(crate) fn patch(path: impl Into<String>, body: &Value) -> Self {
        Self { method: Method::PATCH, ..Self::post(path, body) }
    }

    #[must_use]
    pub(crate) fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    #[must_use]
    pub(crate) fn from(mut self, address: Ipv4Addr) -> Self {
        self.from = Some(address);
        self
    }
}

impl Connection {
    /// Opens a connection to a base URL such as `http://127.0.0.1:3000`.
    pub(crate) async fn open(base_url: &str) -> Result<Self> {
        let authority = base_url.trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&authority).await.with_context(|| authority.clone())?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // The task ends when the sender is dropped.
        tokio::spawn(connection);
        Ok(Self { authority, sender })
    }

    pub(crate) async fn send(&mut self, api_request: &ApiRequest) -> Result<(StatusCode, Bytes)> {
        let mut request =
            Request::builder().method(&api_request.method).uri(&api_request.path).header(header::HOST, &self.authority);
        if !api_request.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(token) = &api_request.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(address) = api_request.from {
            request = request.header("x-forwarded-for", address.to_string());
        }
        let request = request.body(Full::new(api_request.body.clone()))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }

    /// Sends the request and returns the body of the response, whose status must be `status`.
    pub(crate) async fn send_expecting(&mut self, api_request: &ApiRequest, status: StatusCode) -> Result<Value> {
        let (answered, body) = self.send(api_request).await?;
        ensure!(
            answered == status,
            "{} {}: {answered} {}",
            api_request.method,
            api_request.path,
            String::from_utf8_lossy(&body)
        );
        if body.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&body)?) }
    }
}
