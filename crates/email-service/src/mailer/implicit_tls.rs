//! TLS before the first byte (`smtps://`). lettre encrypts such a connection only if it opens the
//! socket itself, and then it keeps Nagle's delay.
#![expect(deprecated, reason = "lettre's only way to put TLS over a stream that we opened")]

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use lettre::transport::smtp::client::{AsyncNetworkStream, AsyncTokioStream, TlsParameters};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _};

use super::stream::SmtpStream;

/// Encrypts `stream`, and checks the server's certificate.
pub(super) async fn connect(
    stream: SmtpStream,
    parameters: TlsParameters,
) -> Result<EncryptedStream, lettre::transport::smtp::Error> {
    let mut encrypted = AsyncNetworkStream::use_existing_tokio1(Box::new(stream));
    encrypted.upgrade_tls(parameters).await?;
    Ok(EncryptedStream(encrypted.compat()))
}

/// An encrypted stream that lettre's connection treats as a plain one.
pub(super) struct EncryptedStream(Compat<AsyncNetworkStream>);

impl fmt::Debug for EncryptedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EncryptedStream").field(&self.0.get_ref().peer_addr().ok()).finish()
    }
}

impl AsyncTokioStream for EncryptedStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().peer_addr()
    }
}

impl AsyncRead for EncryptedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for EncryptedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
