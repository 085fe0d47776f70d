//! Tests each mode with a client and an echo server.

use std::num::NonZeroU32;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;

const SOON: Duration = Duration::from_secs(5);
const NOT_YET: Duration = Duration::from_millis(100);

/// Starts a server that echoes all bytes, and returns its address.
async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

async fn connect(proxy: &TcpProxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn read_length(stream: &mut TcpStream, deadline: Duration) -> Option<usize> {
    let mut buffer = [0_u8; 16];
    tokio::time::timeout(deadline, stream.read(&mut buffer)).await.ok().map(|read| read.unwrap_or(0))
}

#[tokio::test]
async fn bytes_pass_in_both_directions_until_the_connection_is_cut() {
    let proxy = TcpProxy::start(&echo().await).await.unwrap();
    let mut stream = connect(&proxy).await;
    stream.write_all(b"ping").await.unwrap();
    assert_eq!(read_length(&mut stream, SOON).await, Some(4));
    proxy.cut();
    assert_eq!(read_length(&mut stream, SOON).await, Some(0));
    let mut again = connect(&proxy).await;
    again.write_all(b"ping").await.unwrap();
    assert_eq!(read_length(&mut again, SOON).await, Some(4));
}

#[tokio::test]
async fn held_bytes_arrive_later_and_discarded_bytes_never() {
    let proxy = TcpProxy::start(&echo().await).await.unwrap();
    let mut stream = connect(&proxy).await;
    proxy.set_mode(ProxyMode::Hold);
    stream.write_all(b"held").await.unwrap();
    assert_eq!(read_length(&mut stream, NOT_YET).await, None);
    proxy.set_mode(ProxyMode::Pass);
    assert_eq!(read_length(&mut stream, SOON).await, Some(4));
    proxy.set_mode(ProxyMode::DiscardReplies);
    stream.write_all(b"lost").await.unwrap();
    assert_eq!(read_length(&mut stream, NOT_YET).await, None);
    proxy.set_mode(ProxyMode::Pass);
    stream.write_all(b"ok").await.unwrap();
    assert_eq!(read_length(&mut stream, SOON).await, Some(2));
}

#[tokio::test]
async fn refused_connections_are_accepted_again_in_another_mode() {
    let proxy = TcpProxy::start(&echo().await).await.unwrap();
    let mut stream = connect(&proxy).await;
    proxy.set_mode(ProxyMode::Refuse);
    assert_eq!(read_length(&mut stream, SOON).await, Some(0));
    crate::wait_for::try_wait_for(SOON, "the refusal", async || {
        Ok(TcpStream::connect(proxy.address()).await.is_err().then_some(()))
    })
    .await
    .unwrap();
    proxy.set_mode(ProxyMode::Pass);
    crate::wait_for::try_wait_for(SOON, "the service", async || {
        Ok(TcpStream::connect(proxy.address()).await.is_ok().then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_lost_reply_cuts_its_connection_and_no_other() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = TcpProxy::start(&upstream.local_addr().unwrap().to_string()).await.unwrap();
    let (mut stream, mut other) = (connect(&proxy).await, connect(&proxy).await);
    let (mut server, mut others) = (upstream.accept().await.unwrap().0, upstream.accept().await.unwrap().0);
    proxy.lose_reply_to("second");

    stream.write_all(b"first").await.unwrap();
    assert_eq!(read_length(&mut server, SOON).await, Some(5));
    server.write_all(b"one").await.unwrap();
    assert_eq!(read_length(&mut stream, SOON).await, Some(3));
    // The request arrives in two chunks and is forwarded completely.
    for chunk in ["sec", "ond"] {
        stream.write_all(chunk.as_bytes()).await.unwrap();
        assert_eq!(read_length(&mut server, SOON).await, Some(3));
    }
    assert_eq!((read_length(&mut stream, NOT_YET).await, proxy.lost_replies()), (None, 0));
    server.write_all(b"two").await.unwrap();
    assert_eq!(read_length(&mut stream, SOON).await, Some(0));
    assert_eq!(proxy.lost_replies(), 1);
    // Only one reply is lost.
    other.write_all(b"second").await.unwrap();
    assert_eq!(read_length(&mut others, SOON).await, Some(6));
    others.write_all(b"two").await.unwrap();
    assert_eq!(read_length(&mut other, SOON).await, Some(3));
}

#[tokio::test]
async fn after_a_lost_reply_connections_are_refused_if_requested() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = TcpProxy::start(&upstream.local_addr().unwrap().to_string()).await.unwrap();
    let mut stream = connect(&proxy).await;
    let (mut server, _) = upstream.accept().await.unwrap();
    proxy.lose_reply_to_and_refuse("ping");
    stream.write_all(b"ping").await.unwrap();
    assert_eq!(read_length(&mut server, SOON).await, Some(4));
    server.write_all(b"pong").await.unwrap();
    assert_eq!((read_length(&mut stream, SOON).await, proxy.lost_replies()), (Some(0), 1));
    let refused = async || Ok(TcpStream::connect(proxy.address()).await.is_err().then_some(()));
    crate::wait_for::try_wait_for(SOON, "the refusal", refused).await.unwrap();
    proxy.set_mode(ProxyMode::Pass);
    let served = async || Ok(TcpStream::connect(proxy.address()).await.ok());
    let mut stream = crate::wait_for::try_wait_for(SOON, "the service", served).await.unwrap();
    let (mut server, _) = upstream.accept().await.unwrap();
    stream.write_all(b"ping").await.unwrap();
    assert_eq!(read_length(&mut server, SOON).await, Some(4));
}

#[tokio::test]
async fn a_half_open_connection_is_closed_upstream_and_stays_open_for_the_client() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = TcpProxy::start(&upstream.local_addr().unwrap().to_string()).await.unwrap();
    let mut stream = connect(&proxy).await;
    let (mut server, _) = upstream.accept().await.unwrap();
    stream.write_all(b"ping").await.unwrap();
    assert_eq!(read_length(&mut server, SOON).await, Some(4));
    proxy.leave_half_open();
    assert_eq!(read_length(&mut server, SOON).await, Some(0));
    stream.write_all(b"ping").await.unwrap();
    assert_eq!(read_length(&mut stream, NOT_YET).await, None);

    let mut again = connect(&proxy).await;
    let (mut server, _) = upstream.accept().await.unwrap();
    again.write_all(b"ping").await.unwrap();
    assert_eq!(read_length(&mut server, SOON).await, Some(4));
    proxy.cut();
    assert_eq!(read_length(&mut stream, SOON).await, Some(0));
}

#[tokio::test]
async fn throttled_bytes_arrive_slowly_until_another_mode_is_set() {
    let proxy = TcpProxy::start(&echo().await).await.unwrap();
    let mut stream = connect(&proxy).await;
    proxy.set_mode(ProxyMode::Throttle(NonZeroU32::new(1_000).unwrap()));
    let started = std::time::Instant::now();
    stream.write_all(&[1; 100_000]).await.unwrap();
    let mut first = [0; 200];
    tokio::time::timeout(SOON, stream.read_exact(&mut first)).await.unwrap().unwrap();
    assert!(started.elapsed() >= Duration::from_millis(150), "{:?}", started.elapsed());
    proxy.set_mode(ProxyMode::Pass);
    let mut rest = vec![0; 99_800];
    tokio::time::timeout(SOON, stream.read_exact(&mut rest)).await.unwrap().unwrap();
}

#[tokio::test]
async fn delayed_bytes_arrive_as_soon_as_another_mode_is_set() {
    let proxy = TcpProxy::start(&echo().await).await.unwrap();
    let mut stream = connect(&proxy).await;
    proxy.set_mode(ProxyMode::Slow(Duration::from_secs(600)));
    stream.write_all(b"slow").await.unwrap();
    assert_eq!(read_length(&mut stream, NOT_YET).await, None);
    proxy.set_mode(ProxyMode::Pass);
    assert_eq!(read_length(&mut stream, SOON).await, Some(4));
}
