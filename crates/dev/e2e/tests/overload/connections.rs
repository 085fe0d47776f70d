//! Thousands of idle connections.

use std::time::{Duration, Instant};

use test_support::{DEADLINE, Stack, World, report_skipped, wait_for};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet, time::timeout};

use crate::{
    process::{Usage, raise_open_file_limit, run_exclusively, wait_for_descriptors},
    raw_client::connect,
};

const IDLE: usize = 10_000;
/// The number of connections that wait in the kernel's accept queue at one time.
const TOGETHER: usize = 250;
/// The maximum memory of a connection: its buffers and its timers.
const MAX_KIB_PER_CONNECTION: u64 = 64;

/// Opens `count` connections; half of them have sent a part of a request.
async fn open(port: u16, count: usize) -> Vec<TcpStream> {
    let mut connections = Vec::with_capacity(count);
    while connections.len() < count {
        let mut opening = JoinSet::new();
        for number in 0..TOGETHER.min(count - connections.len()) {
            opening.spawn(async move {
                let mut stream = connect(port).await;
                if number % 2 == 0 {
                    stream.write_all(b"GET /.well-known/jwks.json HTTP/1.1\r\n").await.expect("the bytes are sent");
                }
                stream
            });
        }
        connections.extend(opening.join_all().await);
    }
    connections
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_do_not_slow_others_down_and_leave_nothing_behind() {
    let _alone = run_exclusively().await;
    if !raise_open_file_limit(IDLE as u64 + 1_000) {
        report_skipped(
            "ten_thousand_idle_connections_do_not_slow_others_down_and_leave_nothing_behind",
            "this process may not open as many files (ulimit -n)",
        );
        return;
    }
    let world = World::new(&Stack::from_env(), "idle").await;
    let service = world.user_service().set("HTTP__REQUEST_TIMEOUT", "10m").start().await;
    let user = world.test_user("regular");
    let _ = service.api().register(&user).await.expect(201);
    let started = Instant::now();
    let _ = service.api().login(&user).await;
    let usual = started.elapsed();
    let before = Usage::of(service.pid());

    let connections = open(service.http_port(), IDLE).await;
    wait_for(DEADLINE, "all connections to be accepted", async || {
        // The connections of earlier requests are closed meanwhile.
        (Usage::of(service.pid()).descriptors + 20 >= before.descriptors + IDLE).then_some(())
    })
    .await;
    let usage = Usage::of(service.pid());
    for _ in 0..5 {
        let started = Instant::now();
        let _ = service.api().login(&user).await;
        let took = started.elapsed();
        assert!(took < 10 * usual + Duration::from_secs(1), "a login takes {took:?}, and before it took {usual:?}");
    }
    assert!(service.readiness().await.is_some_and(|(status, _)| status == 200));
    let each = usage.resident_kib.saturating_sub(before.resident_kib) / IDLE as u64;
    println!("{each} KiB for each of {IDLE} idle connections; {before:?}, {usage:?}");
    assert!(each < MAX_KIB_PER_CONNECTION, "{each} KiB for each connection");
    // Threads of clients that were needed only at the start may have ended.
    assert!(usage.threads <= before.threads, "{usage:?} instead of {before:?}");

    drop(connections);
    wait_for_descriptors(service.pid(), before.descriptors + 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_never_more_connections_than_configured() {
    const MAX_CONNECTIONS: usize = 50;
    let _alone = run_exclusively().await;
    let world = World::new(&Stack::from_env(), "many").await;
    let spec = world.user_service().set("HTTP__MAX_CONNECTIONS", MAX_CONNECTIONS.to_string());
    let service = spec.set("HTTP__REQUEST_TIMEOUT", "10m").start().await;
    let before = Usage::of(service.pid());
    // The other connections wait in the kernel's queue, where they cost the service nothing.
    let connections = open(service.http_port(), 4 * MAX_CONNECTIONS).await;
    wait_for(DEADLINE, "the maximum number of connections", async || {
        (Usage::of(service.pid()).descriptors + 10 >= before.descriptors + MAX_CONNECTIONS).then_some(())
    })
    .await;
    let waiting = timeout(Duration::from_millis(500), service.api().get("/.well-known/jwks.json")).await;
    assert!(waiting.is_err(), "there are more connections than configured");
    let usage = Usage::of(service.pid());
    assert!(usage.descriptors <= before.descriptors + MAX_CONNECTIONS + 10, "{usage:?}, {before:?}");
    assert!(service.readiness().await.is_some_and(|(status, _)| status == 200), "the ops port does not respond");
    drop(connections);
    let _ = service.api().get("/.well-known/jwks.json").await.expect(200);
}
