//! Mail servers with arbitrary replies: a transaction ends by its deadlines, nothing panics, memory
//! is bounded, and only a 250 to the dot means an accepted mail.

#![expect(clippy::disallowed_methods, reason = "a test waits for its own tasks")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use corpus::{TestResult, corpus};
use email_service::mailer::{
    connection::{DeliveryTimeouts, TransactionStart},
    endpoint::Endpoint,
    reply::Reply,
    server_config::Server,
    verdict::Phase,
};
use lettre::address::Envelope;
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    time::timeout,
};

const STEP: Duration = Duration::from_millis(300);
/// The steps of a transaction (connect, greeting and EHLO, EHLO, three commands, body and dot,
/// RSET) on a busy machine.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The replies of a successful transaction. EHLO is sent twice.
const VALID_REPLIES: [&str; 7] = [
    "220 mail.example.org ESMTP\r\n",
    "250-mail.example.org\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n",
    "250-mail.example.org\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n",
    "250 OK\r\n",
    "250 OK\r\n",
    "354 go on\r\n",
    "250 2.0.0 accepted\r\n",
];

/// Runs a whole transaction. Returns the reply to the dot, if it came that far.
async fn transaction(port: u16) -> Result<Option<Reply>, String> {
    let server: Server = format!("smtp://127.0.0.1:{port}?tls=none").parse().expect("a valid URL");
    let endpoint = Endpoint::new(server, None, STEP);
    let connection = endpoint.connect().await.map_err(|error| error.to_string())?;
    let address = |text: &str| text.parse().expect("a valid address");
    let envelope =
        Envelope::new(Some(address("us@example.org")), vec![address("ada@example.org")]).expect("a valid envelope");
    let body = b"Subject: x\r\n\r\nText\r\n";
    match connection.begin(&envelope, body).await.map_err(|error| error.to_string())? {
        TransactionStart::Open(open) => {
            let patience = DeliveryTimeouts { body: STEP, dot: STEP };
            let (reply, connection) = open.deliver(body, patience).await.map_err(|error| error.to_string())?;
            let _ = connection.reset().await;
            Ok(Some(reply))
        }
        TransactionStart::Refused { .. } | TransactionStart::Unsupported { .. } => Ok(None),
    }
}

/// Sends one reply after each input; then closes the connection, or stays silent.
async fn send_replies(mut peer: TcpStream, replies: Vec<Vec<u8>>, closes: bool) {
    let mut heard = [0; 4096];
    for reply in replies {
        // The client does not answer an incomplete reply: the next one follows soon.
        let wait = if closes { Duration::from_millis(5) } else { TEST_TIMEOUT };
        if peer.write_all(&reply).await.is_err()
            || matches!(timeout(wait, peer.read(&mut heard)).await, Ok(Ok(0) | Err(_)))
        {
            return;
        }
    }
    if !closes {
        while matches!(peer.read(&mut heard).await, Ok(1..)) {}
    }
}

/// Runs a transaction with a server that sends `replies`.
fn with_replies(runtime: &Runtime, replies: Vec<Vec<u8>>, closes: bool) -> Result<Option<Reply>, String> {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("the listener is bound").port();
        let server = tokio::spawn(async move {
            if let Ok((peer, _)) = listener.accept().await {
                send_replies(peer, replies, closes).await;
            }
        });
        let ended = timeout(TEST_TIMEOUT, transaction(port)).await;
        server.abort();
        ended.expect("every step has a deadline")
    })
}

#[test]
fn any_reply_at_any_time_is_handled() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let replies = corpus!("smtp_replies");
    let holds = |valid_count: usize, odd: Vec<Vec<u8>>| -> TestResult {
        let result = VALID_REPLIES[..valid_count].iter().map(|reply| reply.as_bytes().to_vec());
        if let Ok(Some(reply)) = with_replies(&runtime, result.chain(odd).collect(), true) {
            // Whatever was read as the reply to the dot is a valid reply.
            prop_assert!(reply.text.chars().count() <= 300 && reply.code < 1000);
            prop_assert_eq!(Phase::Dot.accepts(&reply), reply.code == 250);
        }
        Ok(())
    };
    for odd in replies.cases() {
        for valid_count in 0..=VALID_REPLIES.len() {
            holds(valid_count, vec![odd.to_vec()]).expect("the property holds for the corpus");
        }
    }
    let inputs = (0..=VALID_REPLIES.len(), prop::collection::vec(replies.bytes(), 0..4));
    TestRunner::default()
        .run(&inputs, |(valid_count, odd)| holds(valid_count, odd))
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_silent_server_is_abandoned_at_the_deadline_of_the_step() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for valid_count in 0..VALID_REPLIES.len() {
        let replies = VALID_REPLIES[..valid_count].iter().map(|reply| reply.as_bytes().to_vec()).collect();
        let started = Instant::now();
        let ended = with_replies(&runtime, replies, false);
        assert!(ended.is_err(), "{valid_count}: {ended:?}");
        assert!(started.elapsed() >= STEP, "{valid_count}");
    }
}

#[test]
fn an_endless_reply_is_cut_off_before_it_fills_the_memory() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    for endless in [&b"220 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"[..], b"220-xxxxxxxxxxxxxxxx\r\n", b"\r\n"] {
        for valid_count in [0, 1, 4, 6] {
            let (result, taken) = runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                let port = listener.local_addr().expect("the listener is bound").port();
                let taken = Arc::new(AtomicUsize::new(0));
                let count = Arc::clone(&taken);
                let server = tokio::spawn(async move {
                    let Ok((mut peer, _)) = listener.accept().await else { return };
                    let mut heard = [0; 4096];
                    for reply in &VALID_REPLIES[..valid_count] {
                        let _ = peer.write_all(reply.as_bytes()).await;
                        let _ = peer.read(&mut heard).await;
                    }
                    let piece = endless.repeat(1000);
                    while peer.write_all(&piece).await.is_ok() {
                        count.fetch_add(piece.len(), Ordering::Relaxed);
                    }
                });
                let ended = timeout(TEST_TIMEOUT, transaction(port)).await.expect("every step has a deadline");
                let _ = timeout(TEST_TIMEOUT, server).await.expect("the client closes the connection");
                (ended, taken.load(Ordering::Relaxed))
            });
            assert!(result.is_err(), "{result:?}");
            // The content of the socket buffers, and little more.
            assert!(taken < 16 * 1024 * 1024, "{taken} bytes were taken after {valid_count} replies");
        }
    }
}
