//! The TCP stream of a connection: without Nagle's delay, and read byte by byte until TLS is
//! established.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
    time::timeout,
};

/// The maximum number of bytes from the server between two writes while a connection is made: a
/// greeting, the reply to EHLO, its part of a TLS handshake.
const MAX_HANDSHAKE_BYTES: usize = 64 * 1024;
/// The same for later replies; RFC 5321 limits a line to 512 octets.
const MAX_REPLY_BYTES: usize = 8 * 1024;
/// The maximum number of lines in it. lettre checks the length of a reply only at the end of a
/// line, and parses the whole reply again with each line: ten thousand lines would take seconds, in
/// which no deadline is checked. (In encrypted data one octet in 256 counts as a line end.)
const MAX_REPLY_LINES: usize = 256;

/// The flags that a connection and its stream share.
#[derive(Debug, Default)]
pub struct StreamFlags {
    /// Whether reads may take more than one byte.
    ///
    /// lettre's buffer survives STARTTLS. If it were filled in large pieces, replies that an
    /// attacker adds in clear behind the "220 ready" would be treated as replies received through
    /// TLS. Byte by byte, the buffer never holds more than the requested line.
    bulk: AtomicBool,
    /// The body is written: the next read is for the reply to the dot.
    body_written: AtomicBool,
    /// The connection is established, and ready for mails.
    connected: AtomicBool,
}

impl StreamFlags {
    /// Allows reads of any size from now on.
    pub fn read_in_bulk(&self) {
        self.bulk.store(true, Ordering::Relaxed);
    }

    /// Applies the limits of replies from now on.
    pub fn connected(&self) {
        self.connected.store(true, Ordering::Relaxed);
    }

    /// Records that the body is written, and the dot follows.
    pub fn body_written(&self) {
        self.body_written.store(true, Ordering::Relaxed);
    }
}

/// A connected stream.
pub struct SmtpStream {
    tcp: TcpStream,
    flags: Arc<StreamFlags>,
    /// Bytes and lines read since the last write.
    bytes_read: usize,
    lines_read: usize,
}

impl SmtpStream {
    /// Connects to the first address of `host` that accepts. `deadline` limits the name lookup, and
    /// each address.
    ///
    /// # Errors
    /// Returns the error of the last address.
    pub async fn connect(host: &str, port: u16, deadline: Duration) -> io::Result<SmtpStream> {
        let timed_out = |what: &str| io::Error::new(io::ErrorKind::TimedOut, format!("{what} took too long"));
        let addresses =
            timeout(deadline, lookup_host((host, port))).await.map_err(|_| timed_out("the name lookup"))??;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match timeout(deadline, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => {
                    // The body and the final dot are two small writes: with Nagle's delay the
                    // second would wait for the delayed acknowledgement of the first.
                    tcp.set_nodelay(true)?;
                    return Ok(SmtpStream { tcp, flags: Arc::default(), bytes_read: 0, lines_read: 0 });
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = timed_out("the connection"),
            }
        }
        Err(last)
    }

    /// Returns the flags that are shared with the stream.
    #[must_use]
    pub fn flags(&self) -> Arc<StreamFlags> {
        Arc::clone(&self.flags)
    }

    /// Returns the server's address.
    #[must_use]
    pub fn peer_ip(&self) -> Option<IpAddr> {
        self.tcp.peer_addr().ok().map(|address| address.ip())
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// Returns an error if the socket is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl fmt::Debug for SmtpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SmtpStream").field(&self.tcp.peer_addr().ok()).finish()
    }
}

impl AsyncTokioStream for SmtpStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.peer_addr()
    }
}

impl AsyncRead for SmtpStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.flags.body_written.swap(false, Ordering::Relaxed) {
            // The dot is on its way; its reply is not yet read.
            service_kit::fail_point!("sender.after_body");
        }
        let max_bytes =
            if self.flags.connected.load(Ordering::Relaxed) { MAX_REPLY_BYTES } else { MAX_HANDSHAKE_BYTES };
        if self.bytes_read >= max_bytes || self.lines_read >= MAX_REPLY_LINES {
            let problem = "the server's reply is too long";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, problem)));
        }
        let before = buf.filled().len();
        let polled = if self.flags.bulk.load(Ordering::Relaxed) {
            Pin::new(&mut self.tcp).poll_read(cx, buf)
        } else {
            let mut byte = [0_u8; 1];
            let mut one = ReadBuf::new(&mut byte);
            let polled = Pin::new(&mut self.tcp).poll_read(cx, &mut one);
            if let Poll::Ready(Ok(())) = polled {
                buf.put_slice(one.filled());
            }
            polled
        };
        let read = &buf.filled()[before..];
        self.bytes_read += read.len();
        self.lines_read += read.iter().filter(|byte| **byte == b'\n').count();
        polled
    }
}

impl AsyncWrite for SmtpStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        (self.bytes_read, self.lines_read) = (0, 0);
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
