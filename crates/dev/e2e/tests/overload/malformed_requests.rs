//! Malformed and oversized HTTP requests: they are refused or the connection is closed, and no hidden request is
//! served.

use std::time::Duration;

use test_support::{Stack, World};

use crate::{
    process::{Usage, run_exclusively, wait_for_descriptors},
    raw_client::{exchange, status},
};

const GET: &str = "GET /.well-known/jwks.json HTTP/1.1\r\nhost: x\r\n";
const POST: &str = "POST /api/auth/logout HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
const BODY: &str = "{\"refreshToken\":\"x\"}";
/// A request inside the body of another request.
const INNER: &str = "GET /problems/smuggled HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// A description of the malformation, and the bytes of the request.
type MalformedRequest = (&'static str, String);

fn malformed_requests() -> Vec<MalformedRequest> {
    let close = "connection: close\r\n\r\n";
    let chunked = format!("14\r\n{BODY}\r\n0\r\n\r\n");
    assert_eq!(BODY.len(), 0x14);
    vec![
        ("a huge header", format!("{GET}x: {}\r\n{close}", "a".repeat(300_000))),
        ("a huge name", format!("{GET}{}: a\r\n{close}", "a".repeat(300_000))),
        ("too many headers", format!("{GET}{}{close}", "x: a\r\n".repeat(1_000))),
        ("a huge path", format!("GET /{} HTTP/1.1\r\nhost: x\r\n{close}", "a".repeat(300_000))),
        ("a long path", format!("GET /{} HTTP/1.1\r\nhost: x\r\n{close}", "a".repeat(30_000))),
        ("a huge query", format!("GET /api/users/me?{} HTTP/1.1\r\nhost: x\r\n{close}", "a&".repeat(150_000))),
        ("a huge method", format!("{} / HTTP/1.1\r\nhost: x\r\n{close}", "A".repeat(300_000))),
        ("a line without end", "G".repeat(300_000)),
        ("two lengths", format!("{POST}content-length: 20\r\ncontent-length: 21\r\n\r\n{BODY}x")),
        ("two equal lengths", format!("{POST}content-length: 20\r\ncontent-length: 20\r\n\r\n{BODY}")),
        ("a list of lengths", format!("{POST}content-length: 20, 20\r\n\r\n{BODY}")),
        ("a length with a sign", format!("{POST}content-length: +20\r\n\r\n{BODY}")),
        ("a negative length", format!("{POST}content-length: -1\r\n\r\n{BODY}")),
        ("a length beyond numbers", format!("{POST}content-length: 99999999999999999999\r\n\r\n{BODY}")),
        ("a length in hexadecimal", format!("{POST}content-length: 0x14\r\n\r\n{BODY}")),
        ("an unknown encoding", format!("{POST}transfer-encoding: xchunked\r\n\r\n{chunked}")),
        ("two encodings", format!("{POST}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n{chunked}")),
        ("a list of encodings", format!("{POST}transfer-encoding: gzip, chunked\r\n\r\n{chunked}")),
        ("chunked in HTTP/1.0", format!("{}transfer-encoding: chunked\r\n\r\n{chunked}", POST.replace("1.1", "1.0"))),
        ("a chunk beyond numbers", format!("{POST}transfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{BODY}")),
        ("a chunk that is no number", format!("{POST}transfer-encoding: chunked\r\n\r\nxx\r\n{BODY}\r\n0\r\n\r\n")),
        (
            "a chunk that is larger than it says",
            format!("{POST}transfer-encoding: chunked\r\n\r\n5\r\n{BODY}\r\n0\r\n\r\n"),
        ),
        ("chunk extensions without end", format!("{POST}transfer-encoding: chunked\r\n\r\n5;{}", "a".repeat(300_000))),
        ("trailers without end", format!("{POST}transfer-encoding: chunked\r\n\r\n0\r\n{}", "x: a\r\n".repeat(50_000))),
        ("chunks without end", format!("{POST}transfer-encoding: chunked\r\n\r\n{}", "4\r\naaaa\r\n".repeat(30_000))),
        ("a space before the colon", format!("{POST}content-length : 20\r\n\r\n{BODY}")),
        ("a folded header", format!("{GET}x: a\r\n b\r\n{close}")),
        ("a NUL in a header", format!("{GET}x: a\0b\r\n{close}")),
        ("two hosts", format!("{GET}host: y\r\n{close}")),
        ("HTTP/2 without negotiation", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("an unknown version", "GET / HTTP/9.9\r\nhost: x\r\n\r\n".to_owned()),
        ("a tunnel", format!("CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\n{close}")),
        ("TLS on the wrong port", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_refused_or_closed_and_use_no_memory() {
    let _alone = run_exclusively().await;
    let world = World::new(&Stack::from_env(), "shapes").await;
    let spec = world.user_service().set("HTTP__REQUEST_TIMEOUT", "2s");
    let service = spec.set("HTTP__UNREAD_TIMEOUT", "2s").set("HTTP__KEEP_ALIVE", "2s").start().await;
    let before = Usage::of(service.pid());
    for port in [service.http_port(), service.ops_port()] {
        let requests = malformed_requests().into_iter().map(|(what, bytes)| async move {
            let answer = exchange(port, bytes.as_bytes()).await;
            let answer = answer.unwrap_or_else(|| panic!("{what}: the connection stays open"));
            // The request is refused, or the connection is closed without a response.
            assert!(matches!(status(&answer), 0 | 400..=499 | 501 | 505), "{what}: {answer}");
            assert!(!answer.contains("\"internal\""), "{what}: {answer}");
        });
        futures_util::future::join_all(requests).await;
    }
    let _ = service.api().get("/.well-known/jwks.json").await.expect(200);
    wait_for_descriptors(service.pid(), before.descriptors + 10).await;
    let after = Usage::of(service.pid());
    assert!(after.resident_kib < before.resident_kib + 64 * 1024, "{before:?}, {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_can_be_smuggled_in_the_body_of_another() {
    let _alone = run_exclusively().await;
    let world = World::new(&Stack::from_env(), "smuggle").await;
    let spec = world.user_service().set("HTTP__REQUEST_TIMEOUT", "2s").set("HTTP__KEEP_ALIVE", "2s");
    let service = spec.start().await;
    let chunks = format!("0\r\n\r\n{INNER}");
    let sized = |encoding: &str, body: &str| format!("{POST}content-length: {}\r\n{encoding}\r\n{body}", body.len());
    for (what, bytes) in [
        ("length and chunks", sized("transfer-encoding: chunked\r\n", &chunks)),
        ("chunks and length", format!("{POST}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n{chunks}")),
        ("an encoding with white space", sized("transfer-encoding:\tchunked\r\n", &chunks)),
        ("an encoding with a prefix", sized("transfer-encoding: xchunked\r\n", &chunks)),
        ("an encoding in capitals", sized("Transfer-Encoding: Chunked\r\n", &chunks)),
        ("an encoding behind a bare CR", sized("x: y\rtransfer-encoding: chunked\r\n", &chunks)),
        ("the identity and chunks", sized("transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n", &chunks)),
        ("a length of nothing", format!("{POST}content-length: 0\r\ncontent-length: {}\r\n\r\n{INNER}", INNER.len())),
        ("a body for a GET", format!("{GET}content-length: {}\r\n\r\n{INNER}", INNER.len())),
    ] {
        let answer = exchange(service.http_port(), bytes.as_bytes()).await.expect("the connection ends");
        assert!(!answer.contains("smuggled"), "{what}: {answer}");
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{what}: {answer}");
        // A GET may have a body, which the service ignores.
        assert!(matches!(status(&answer), 0 | 400) || what == "a body for a GET", "{what}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_on_one_connection_is_answered_in_order_within_bounded_memory() {
    const REQUESTS: usize = 5_000;
    let _alone = run_exclusively().await;
    let world = World::new(&Stack::from_env(), "flood").await;
    let service = world.user_service().start().await;
    let before = Usage::of(service.pid());
    let flood = format!("{GET}\r\n").repeat(REQUESTS - 1) + &format!("{GET}connection: close\r\n\r\n");
    let (mut reader, mut writer) = crate::raw_client::connect(service.http_port()).await.into_split();
    let sending = tokio::spawn(async move {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut writer, flood.as_bytes()).await;
        // The writer stays open, because the service drops the requests of a client that disconnects.
        writer
    });
    let mut answers = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut answers);
    tokio::time::timeout(Duration::from_secs(60), read)
        .await
        .expect("the connection ends")
        .expect("the connection is not reset");
    drop(sending);
    let answers = String::from_utf8_lossy(&answers);
    assert_eq!(answers.matches("HTTP/1.1 200").count(), REQUESTS);
    // HTTP/1.0 is still supported: one response, then the end.
    let old = exchange(service.http_port(), b"GET /.well-known/jwks.json HTTP/1.0\r\n\r\n")
        .await
        .expect("the connection ends");
    assert_eq!(status(&old), 200, "{old}");
    let after = Usage::of(service.pid());
    assert!(after.resident_kib < before.resident_kib + 64 * 1024, "{before:?}, {after:?}");
}
