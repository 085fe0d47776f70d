//! One connection through the proxy: forwards bytes in both directions as the mode says.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

use super::{mode::ProxyMode, reply_loss::ReplyLoss};

/// The state that a connection shares with the proxy. Each connection has a clone.
#[derive(Clone)]
pub(super) struct ConnectionContext {
    pub upstream: String,
    pub modes: watch::Receiver<ProxyMode>,
    pub cut: watch::Receiver<()>,
    pub half_open: watch::Receiver<()>,
    pub reply_loss: Arc<ReplyLoss>,
}

impl ConnectionContext {
    /// Returns a clone for a new connection, which only later cuts affect.
    pub(super) fn for_new_connection(&self) -> Self {
        let mut context = self.clone();
        context.cut.mark_unchanged();
        context.half_open.mark_unchanged();
        context
    }

    /// Serves a client until the connection ends or is cut.
    pub(super) async fn run(self, client: TcpStream) {
        let mut cut = self.cut.clone();
        tokio::select! {
            () = self.serve(client) => {}
            _ = cut.changed() => {}
        }
    }

    async fn serve(mut self, client: TcpStream) {
        let _ = client.set_nodelay(true);
        let (mut from_client, mut to_client) = client.into_split();
        let mut half_open = self.half_open.clone();
        tokio::select! {
            () = self.forward(&mut from_client, &mut to_client) => return,
            _ = half_open.changed() => {}
        }
        // The connection to the upstream server is closed. The client's connection stays open until it is cut.
        let mut buffer = vec![0_u8; 1024];
        while from_client.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
        let _ = to_client.shutdown().await;
    }

    async fn forward(&mut self, from_client: &mut OwnedReadHalf, to_client: &mut OwnedWriteHalf) {
        let Ok(server) = TcpStream::connect(&self.upstream).await else { return };
        let _ = server.set_nodelay(true);
        let (mut from_server, mut to_server) = server.into_split();
        let matched = AtomicBool::new(false);
        let (reply_loss, modes) = (&self.reply_loss, &self.modes);
        let requests = async {
            let mut earlier = Vec::new();
            let inspect = |chunk: &[u8]| {
                if reply_loss.matches(&mut earlier, chunk) {
                    matched.store(true, Ordering::Release);
                }
                true
            };
            pump(from_client, &mut to_server, modes.clone(), false, inspect).await
        };
        let replies = async {
            let inspect = |_: &[u8]| {
                let lost = matched.load(Ordering::Acquire);
                if lost {
                    reply_loss.record_lost_reply();
                }
                !lost
            };
            pump(&mut from_server, to_client, modes.clone(), true, inspect).await
        };
        // If one direction ends, the other one stays open. If one is stopped, both end.
        let _ = tokio::try_join!(requests, replies);
    }
}

/// The error that closes both directions of a connection.
struct ConnectionStopped;

/// Forwards bytes until the end of the stream. `inspect` sees each chunk first and stops the connection by returning
/// `false`.
async fn pump(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut modes: watch::Receiver<ProxyMode>,
    are_replies: bool,
    mut inspect: impl FnMut(&[u8]) -> bool,
) -> Result<(), ConnectionStopped> {
    let mut buffer = vec![0_u8; 16 * 1024];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        if !inspect(&buffer[..read]) {
            return Err(ConnectionStopped);
        }
        if write_in_mode(&buffer[..read], to, &mut modes, are_replies).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
    Ok(())
}

/// Writes a chunk as the mode says. The mode may change before the whole chunk is written.
async fn write_in_mode(
    mut rest: &[u8],
    to: &mut OwnedWriteHalf,
    modes: &mut watch::Receiver<ProxyMode>,
    are_replies: bool,
) -> std::io::Result<()> {
    while !rest.is_empty() {
        let mode = *modes.borrow_and_update();
        let Some((length, pause)) = mode.next_write(rest.len(), are_replies) else { return Ok(()) };
        if !pause.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = modes.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return Ok(()),
                }
            }
        }
        to.write_all(&rest[..length]).await?;
        rest = &rest[length..];
    }
    Ok(())
}
