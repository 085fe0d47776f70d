//! Tests of the healthcheck against servers that misbehave.

use std::time::Instant;

use tokio::net::TcpListener;

use super::*;

async fn listener() -> (TcpListener, OpsConfig) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, OpsConfig { host: "127.0.0.1".into(), port })
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unhealthy_after_two_seconds() {
    let (_listener, config) = listener().await;
    let start = Instant::now();
    let error = healthcheck(&config).await.unwrap_err();
    assert!(error.contains("no answer within 2s"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_server_with_another_protocol_is_unhealthy() {
    let (listener, config) = listener().await;
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 smtp ready\r\n").await.unwrap();
        let mut request = [0; 16];
        let _ = stream.read(&mut request).await;
    };
    let (result, ()) = tokio::join!(healthcheck(&config), server);
    assert!(result.is_err(), "{result:?}");
}

#[test]
fn an_unspecified_host_is_asked_on_loopback() {
    for (configured, asked) in
        [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("[::]", "::1"), ("10.0.0.7", "10.0.0.7"), ("localhost", "localhost")]
    {
        assert_eq!(reachable_host(configured), asked);
    }
}
