//! The HTTP client, with a server that answers as the test says.

use std::time::{Duration, Instant};

use serde_json::json;
use token_verifier::{Builder, Error, Verifier};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::Signer;

/// Starts a server that sends these bytes to each client, and then keeps the connection open. Returns its URL.
async fn server(response: String) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let response = response.clone();
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(response.as_bytes()).await;
                std::future::pending::<()>().await;
            });
        }
    });
    url
}

fn response(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn builder(jwks_url: &str) -> Builder {
    Verifier::builder("issuer").audience("audience").jwks_url(jwks_url)
}

async fn prefetch(jwks_url: &str) -> Result<(), Error> {
    builder(jwks_url).fetch_timeout(Duration::from_secs(30)).build().expect("it is configured").prefetch().await
}

#[tokio::test]
async fn keys_are_fetched_over_http() {
    let keys = json!({ "keys": [Signer::eddsa().jwk("a")] }).to_string();
    let url = server(response("200 OK\r\ncache-control: max-age=300", &keys)).await;
    assert_eq!(prefetch(&format!("{url}/.well-known/jwks.json")).await, Ok(()));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = server(response("200 OK", r#"{"keys":[]}"#)).await;
    for status in ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect"] {
        let url = server(response(&format!("{status}\r\nlocation: {target}"), "")).await;
        let error = prefetch(&url).await.expect_err("it is refused").to_string();
        assert!(error.ends_with(&format!("the response is {status}; redirects are not followed")), "{error}");
    }
}

#[tokio::test]
async fn another_status_than_200_is_a_failure() {
    for status in ["201 Created", "404 Not Found", "503 Service Unavailable"] {
        let url = server(response(status, r#"{"keys":[]}"#)).await;
        let error = prefetch(&url).await.expect_err("it is refused").to_string();
        assert!(error.ends_with(status), "{error}");
    }
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let endless = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", chunk.repeat(5));
    let error = prefetch(&server(endless).await).await.expect_err("it is refused").to_string();
    assert!(error.ends_with("length limit exceeded"), "{error}");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "measures the deadline")]
async fn a_server_that_stops_in_the_middle_meets_the_deadline() {
    for response in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"keys\":"] {
        let url = server(response.to_owned()).await;
        let verifier = builder(&url).fetch_timeout(Duration::from_millis(500)).build().unwrap();
        let begin = Instant::now();
        let error = verifier.prefetch().await.expect_err("it is refused");
        assert_eq!(error, Error::Unavailable("no response within 500ms".into()));
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn a_closed_port_is_named_with_its_cause() {
    let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let error = prefetch(&format!("http://{free}/keys")).await.expect_err("it is refused").to_string();
    assert!(error.contains(&format!("http://{free}/keys")) && error.contains("Connection refused"), "{error}");
}

#[tokio::test]
async fn https_is_spoken_and_certificates_are_checked() {
    let url = server("no TLS".into()).await.replace("http:", "https:");
    let error = prefetch(&url).await.expect_err("it is refused").to_string();
    assert!(error.contains("corrupt message"), "{error}");
}
