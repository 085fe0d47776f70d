//! A client that sends raw bytes.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// A deadline far above every deadline of the services in these tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Connects to a port of this machine.
///
/// # Panics
/// Panics if the connection is not accepted.
pub(crate) async fn connect(port: u16) -> TcpStream {
    let connecting = timeout(PATIENCE, TcpStream::connect(("127.0.0.1", port)));
    connecting.await.expect("the connection is accepted in time").expect("the port is open")
}

/// Connects like [`connect`], with a very small receive buffer.
///
/// # Panics
/// Panics if the connection is not accepted.
pub(crate) async fn connect_with_small_buffer(port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("the socket is created");
    socket.set_recv_buffer_size(4096).expect("the buffer size is set");
    let address = ([127, 0, 0, 1], port).into();
    timeout(PATIENCE, socket.connect(address))
        .await
        .expect("the connection is accepted in time")
        .expect("the port is open")
}

/// Returns what the server sends until it closes the connection, or `None` if it does not close it.
pub(crate) async fn read_until_closed(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut answer = Vec::new();
    match timeout(PATIENCE, stream.read_to_end(&mut answer)).await {
        Err(_) => None,
        // A reset also ends the connection; data before it may be lost.
        Ok(Ok(_) | Err(_)) => Some(answer),
    }
}

/// Sends all bytes, or as many as the server accepts.
pub(crate) async fn send(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    timeout(PATIENCE, stream.write_all(bytes)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Sends bytes and returns what the server sends until it closes the connection, or `None` if it does not close it.
pub(crate) async fn exchange(port: u16, bytes: &[u8]) -> Option<String> {
    let mut stream = connect(port).await;
    // The server may already have responded and closed the connection.
    let _ = send(&mut stream, bytes).await;
    read_until_closed(&mut stream).await.map(|answer| String::from_utf8_lossy(&answer).into_owned())
}

/// Returns the status of the first response, or 0 if there is none.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}
