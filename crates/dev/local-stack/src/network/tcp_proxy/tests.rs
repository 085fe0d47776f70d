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

/// Returns a proxy in front of an echo server, and a connection through it.
async fn proxy_to_echo() -> (TcpProxy, TcpStream) {
    let proxy = TcpProxy::start(&echo().await).await.unwrap();
    let stream = connect(&proxy).await;
    (proxy, stream)
}

/// Returns a server that the test plays itself, and a proxy in front of it.
async fn proxy_to_test() -> (TcpProxy, TcpListener) {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (TcpProxy::start(&upstream.local_addr().unwrap().to_string()).await.unwrap(), upstream)
}

/// Returns both ends of a new connection through the proxy.
async fn connect_both(proxy: &TcpProxy, upstream: &TcpListener) -> (TcpStream, TcpStream) {
    (connect(proxy).await, upstream.accept().await.unwrap().0)
}

async fn assert_arrives(bytes: &[u8], from: &mut TcpStream, to: &mut TcpStream) {
    from.write_all(bytes).await.unwrap();
    assert_eq!(read_length(to, SOON).await, Some(bytes.len()));
}

async fn assert_echoed(bytes: &[u8], stream: &mut TcpStream) {
    stream.write_all(bytes).await.unwrap();
    assert_eq!(read_length(stream, SOON).await, Some(bytes.len()));
}

async fn wait_until_refused(proxy: &TcpProxy) {
    let refused = async || Ok(TcpStream::connect(proxy.address()).await.is_err().then_some(()));
    crate::wait_for::try_wait_for(SOON, "the refusal", refused).await.unwrap();
}

async fn wait_until_served(proxy: &TcpProxy) -> TcpStream {
    let served = async || Ok(TcpStream::connect(proxy.address()).await.ok());
    crate::wait_for::try_wait_for(SOON, "the service", served).await.unwrap()
}

async fn read_length(stream: &mut TcpStream, deadline: Duration) -> Option<usize> {
    let mut buffer = [0_u8; 16];
    tokio::time::timeout(deadline, stream.read(&mut buffer)).await.ok().map(|read| read.unwrap_or(0))
}

#[tokio::test]
async fn bytes_pass_in_both_directions_until_the_connection_is_cut() {
    let (proxy, mut stream) = proxy_to_echo().await;
    assert_echoed(b"ping", &mut stream).await;
    proxy.cut();
    assert_eq!(read_length(&mut stream, SOON).await, Some(0));
    let mut again = connect(&proxy).await;
    assert_echoed(b"ping", &mut again).await;
}

#[tokio::test]
async fn held_bytes_arrive_later_and_discarded_bytes_never() {
    let (proxy, mut stream) = proxy_to_echo().await;
    proxy.set_mode(ProxyMode::Hold);
    stream.write_all(b"held").await.unwrap();
    assert_eq!(read_length(&mut stream, NOT_YET).await, None);
    proxy.set_mode(ProxyMode::Pass);
    assert_eq!(read_length(&mut stream, SOON).await, Some(4));
    proxy.set_mode(ProxyMode::DiscardReplies);
    stream.write_all(b"lost").await.unwrap();
    assert_eq!(read_length(&mut stream, NOT_YET).await, None);
    proxy.set_mode(ProxyMode::Pass);
    assert_echoed(b"ok", &mut stream).await;
}

#[tokio::test]
async fn refused_connections_are_accepted_again_in_another_mode() {
    let (proxy, mut stream) = proxy_to_echo().await;
    proxy.set_mode(ProxyMode::Refuse);
    assert_eq!(read_length(&mut stream, SOON).await, Some(0));
    wait_until_refused(&proxy).await;
    proxy.set_mode(ProxyMode::Pass);
    wait_until_served(&proxy).await;
}

#[tokio::test]
async fn a_lost_reply_cuts_its_connection_and_no_other() {
    let (proxy, upstream) = proxy_to_test().await;
    let (mut stream, mut server) = connect_both(&proxy, &upstream).await;
    let (mut other, mut others) = connect_both(&proxy, &upstream).await;
    proxy.lose_reply_to("second");

    assert_arrives(b"first", &mut stream, &mut server).await;
    assert_arrives(b"one", &mut server, &mut stream).await;
    // The request arrives in two chunks and is forwarded completely.
    for chunk in ["sec", "ond"] {
        assert_arrives(chunk.as_bytes(), &mut stream, &mut server).await;
    }
    assert_eq!((read_length(&mut stream, NOT_YET).await, proxy.lost_replies()), (None, 0));
    server.write_all(b"two").await.unwrap();
    assert_eq!(read_length(&mut stream, SOON).await, Some(0));
    assert_eq!(proxy.lost_replies(), 1);
    // Only one reply is lost.
    assert_arrives(b"second", &mut other, &mut others).await;
    assert_arrives(b"two", &mut others, &mut other).await;
}

#[tokio::test]
async fn after_a_lost_reply_connections_are_refused_if_requested() {
    let (proxy, upstream) = proxy_to_test().await;
    let (mut stream, mut server) = connect_both(&proxy, &upstream).await;
    proxy.lose_reply_to_and_refuse("ping");
    assert_arrives(b"ping", &mut stream, &mut server).await;
    server.write_all(b"pong").await.unwrap();
    assert_eq!((read_length(&mut stream, SOON).await, proxy.lost_replies()), (Some(0), 1));
    wait_until_refused(&proxy).await;
    proxy.set_mode(ProxyMode::Pass);
    let mut stream = wait_until_served(&proxy).await;
    let (mut server, _) = upstream.accept().await.unwrap();
    assert_arrives(b"ping", &mut stream, &mut server).await;
}

#[tokio::test]
async fn a_half_open_connection_is_closed_upstream_and_stays_open_for_the_client() {
    let (proxy, upstream) = proxy_to_test().await;
    let (mut stream, mut server) = connect_both(&proxy, &upstream).await;
    assert_arrives(b"ping", &mut stream, &mut server).await;
    proxy.leave_half_open();
    assert_eq!(read_length(&mut server, SOON).await, Some(0));
    stream.write_all(b"ping").await.unwrap();
    assert_eq!(read_length(&mut stream, NOT_YET).await, None);

    let (mut again, mut server) = connect_both(&proxy, &upstream).await;
    assert_arrives(b"ping", &mut again, &mut server).await;
    proxy.cut();
    assert_eq!(read_length(&mut stream, SOON).await, Some(0));
}

#[tokio::test]
async fn throttled_bytes_arrive_slowly_until_another_mode_is_set() {
    let (proxy, mut stream) = proxy_to_echo().await;
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
    let (proxy, mut stream) = proxy_to_echo().await;
    proxy.set_mode(ProxyMode::Slow(Duration::from_secs(600)));
    stream.write_all(b"slow").await.unwrap();
    assert_eq!(read_length(&mut stream, NOT_YET).await, None);
    proxy.set_mode(ProxyMode::Pass);
    assert_eq!(read_length(&mut stream, SOON).await, Some(4));
}
