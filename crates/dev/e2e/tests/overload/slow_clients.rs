//! Clients that send or read as slowly as possible: each one is disconnected at its deadline, and other clients do
//! not wait.

use std::time::Duration;

use test_support::{Service, Stack, World};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    process::{Usage, run_exclusively, wait_for_descriptors},
    raw_client::{PATIENCE, connect, connect_with_small_buffer, read_until_closed, status},
};

const CLIENTS_OF_EACH_KIND: usize = 60;
/// The configured deadline of a request head, of a body, and of a response that the client does not read.
const DEADLINE: Duration = Duration::from_secs(2);

const HEAD: &[u8] =
    b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: x\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const LOGIN: &str = "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";

/// Sends `at_once`, then the bytes of `slowly` one by one and repeatedly until the server closes the connection, and
/// returns the response.
async fn trickle(mut stream: TcpStream, at_once: &[u8], slowly: &[u8]) -> Option<String> {
    stream.write_all(at_once).await.ok()?;
    let (mut reader, mut writer) = stream.split();
    let sending = async {
        for byte in slowly.iter().cycle() {
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(150)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = sending => None,
        ended = timeout(PATIENCE, reader.read_to_end(&mut answer)) => {
            ended.ok().map(|_| String::from_utf8_lossy(&answer).into_owned())
        }
    }
}

/// Sends the head of a request as slowly as possible, and checks that it is refused or cut off.
async fn send_slow_head(port: u16) {
    let response = trickle(connect(port).await, b"", HEAD).await.expect("a slow head ends");
    assert!(matches!(status(&response), 0 | 408), "{response}");
}

/// Sends a body that the path does not need as slowly as possible, and checks that the request is served.
async fn send_slow_unneeded_body(port: u16, path: &'static str) {
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    let response = trickle(connect(port).await, head.as_bytes(), b"1\r\n \r\n").await.expect("an unneeded body ends");
    assert_eq!(status(&response), 200, "{response}");
}

/// Waits for a moment for clients that end, and checks that they got the expected response.
async fn join_ended(clients: &mut JoinSet<()>) {
    let _ = timeout(Duration::from_millis(200), async {
        while let Some(ended) = clients.join_next().await {
            ended.expect("a slow client got the expected response");
        }
    })
    .await;
}

/// Requests something large repeatedly and reads none of the responses.
async fn ask_and_never_read(port: u16, path: &'static str) -> TcpStream {
    let mut stream = connect_with_small_buffer(port).await;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").repeat(200);
    let _ = timeout(DEADLINE / 4, stream.write_all(request.as_bytes())).await;
    stream
}

/// Checks repeatedly that other clients are served while `clients` are running.
async fn assert_others_are_served(service: &Service, clients: &mut JoinSet<()>) {
    while !clients.is_empty() {
        let started = Instant::now();
        let _ = service.api().get("/.well-known/jwks.json").await.expect(200);
        let took = started.elapsed();
        assert!(took < DEADLINE, "a key set takes {took:?} while slow clients are connected");
        join_ended(clients).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_disconnected_at_their_deadlines_and_other_clients_do_not_wait() {
    let _alone = run_exclusively().await;
    let world = World::new(&Stack::from_env(), "slow").await;
    let spec = world.user_service().set("HTTP__REQUEST_TIMEOUT", "2s").set("HTTP__UNREAD_TIMEOUT", "2s");
    let service = spec.set("HTTP__KEEP_ALIVE", "2s").start().await;
    let _ = service.api().register(&world.test_user("regular")).await.expect(201);
    let port = service.http_port();
    let before = Usage::of(service.pid());

    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS_OF_EACH_KIND {
        clients.spawn(send_slow_head(port));
        clients.spawn(async move {
            let head = format!("{LOGIN}content-length: 60000\r\n\r\n");
            let response = trickle(connect(port).await, head.as_bytes(), b" ").await.expect("a slow body ends");
            assert!(matches!(status(&response), 400 | 408), "{response}");
        });
        clients.spawn(async move {
            let head = format!("{LOGIN}transfer-encoding: chunked\r\n\r\n");
            let response = trickle(connect(port).await, head.as_bytes(), b"1\r\n \r\n").await.expect("slow chunks end");
            assert!(matches!(status(&response), 400 | 408), "{response}");
        });
        clients.spawn(send_slow_unneeded_body(port, "/.well-known/jwks.json"));
        clients.spawn(async move {
            let mut stream = connect(port).await;
            stream
                .write_all(b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: x\r\n\r\n")
                .await
                .expect("the bytes are sent");
            let response = read_until_closed(&mut stream).await.expect("an idle connection is closed");
            assert_eq!(status(&String::from_utf8_lossy(&response)), 200);
        });
    }
    assert_others_are_served(&service, &mut clients).await;

    let mut unread = JoinSet::new();
    for _ in 0..CLIENTS_OF_EACH_KIND {
        unread.spawn(ask_and_never_read(port, "/api/openapi.json"));
    }
    let unread = unread.join_all().await;
    let _ = service.api().get("/.well-known/jwks.json").await.expect(200);
    // The sockets are still open on this side, so it is the service that closes them.
    wait_for_descriptors(service.pid(), before.descriptors + 20).await;
    drop(unread);
    let after = Usage::of(service.pid());
    assert!(after.resident_kib < before.resident_kib + 100 * 1024, "{before:?}, {after:?}");
    let _ = service.api().login(&world.test_user("regular")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_of_the_ops_port_do_not_block_the_probes() {
    let _alone = run_exclusively().await;
    let world = World::new(&Stack::from_env(), "slow-ops").await;
    let service = world.email_service().start().await;
    let port = service.ops_port();
    let before = Usage::of(service.pid());
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS_OF_EACH_KIND {
        clients.spawn(send_slow_head(port));
        clients.spawn(send_slow_unneeded_body(port, "/livez"));
    }
    while !clients.is_empty() {
        assert!(service.readiness().await.is_some(), "the probe gets no response");
        join_ended(&mut clients).await;
    }
    wait_for_descriptors(service.pid(), before.descriptors + 20).await;
}
