//! One connection through the proxy: two directions, and what happens to their bytes.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

use super::ProxyMode;

/// How often a throttled direction gets its share of a second.
const TICK: Duration = Duration::from_millis(20);

/// What a connection is made of; a clone for each.
#[derive(Clone)]
pub(super) struct Connection {
    pub upstream: String,
    pub modes: watch::Receiver<ProxyMode>,
    pub cut: watch::Receiver<()>,
    pub half_open: watch::Receiver<()>,
    pub trap: Arc<Trap>,
}

impl Connection {
    /// One more: from here on a cut is one of it.
    pub(super) fn accepted(&self) -> Self {
        let mut accepted = self.clone();
        accepted.cut.mark_unchanged();
        accepted.half_open.mark_unchanged();
        accepted
    }

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
        // The upstream's end is closed; the client's stays until it is cut.
        let mut buffer = vec![0_u8; 1024];
        while from_client.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
        let _ = to_client.shutdown().await;
    }

    async fn forward(&mut self, from_client: &mut OwnedReadHalf, to_client: &mut OwnedWriteHalf) {
        let Ok(server) = TcpStream::connect(&self.upstream).await else { return };
        let _ = server.set_nodelay(true);
        let (mut from_server, mut to_server) = server.into_split();
        let caught = AtomicBool::new(false);
        let (trap, modes) = (&self.trap, &self.modes);
        let requests = async {
            let mut before = Vec::new();
            let look = |chunk: &[u8]| {
                if trap.catches(&mut before, chunk) {
                    caught.store(true, Ordering::Release);
                }
                true
            };
            pump(from_client, &mut to_server, modes.clone(), false, look).await
        };
        let replies = async {
            let look = |_: &[u8]| {
                let lost = caught.load(Ordering::Acquire);
                if lost {
                    trap.lost_one();
                }
                !lost
            };
            pump(&mut from_server, to_client, modes.clone(), true, look).await
        };
        // A direction that has ended leaves the other one open; one that was stopped takes it along.
        let _ = tokio::try_join!(requests, replies);
    }
}

/// The connection is to be closed.
struct Stopped;

/// Forwards until the end; `look` sees every chunk first and may stop the connection.
async fn pump(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut modes: watch::Receiver<ProxyMode>,
    replies: bool,
    mut look: impl FnMut(&[u8]) -> bool,
) -> Result<(), Stopped> {
    let mut buffer = vec![0_u8; 16 * 1024];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        if !look(&buffer[..read]) {
            return Err(Stopped);
        }
        if forward(&buffer[..read], to, &mut modes, replies).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
    Ok(())
}

/// Writes as the mode says, which may change before all is written.
async fn forward(
    mut rest: &[u8],
    to: &mut OwnedWriteHalf,
    modes: &mut watch::Receiver<ProxyMode>,
    replies: bool,
) -> std::io::Result<()> {
    while !rest.is_empty() {
        let mode = *modes.borrow_and_update();
        let (piece, pause) = match mode {
            ProxyMode::Discard => return Ok(()),
            ProxyMode::DiscardReplies if replies => return Ok(()),
            ProxyMode::Hold => (0, Duration::MAX),
            ProxyMode::Slow(delay) => (rest.len(), delay),
            ProxyMode::Throttle(rate) => share(rate, rest.len()),
            ProxyMode::Pass | ProxyMode::DiscardReplies | ProxyMode::Refuse => (rest.len(), Duration::ZERO),
        };
        if !pause.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = modes.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return Ok(()),
                }
            }
        }
        to.write_all(&rest[..piece]).await?;
        rest = &rest[piece..];
    }
    Ok(())
}

/// How many of `length` bytes may go after how long, at so many bytes a second.
fn share(rate: NonZeroU32, length: usize) -> (usize, Duration) {
    let tick = TICK.as_secs_f64();
    let bytes = ((f64::from(rate.get()) * tick) as usize).clamp(1, length);
    (bytes, Duration::from_secs_f64(bytes as f64 / f64::from(rate.get())))
}

/// Waits for one request, whose reply is to be lost.
#[derive(Debug, Default)]
pub(super) struct Trap {
    bait: Mutex<Option<Vec<u8>>>,
    /// Tells that the proxy listens no more from then on, and that all connections are cut.
    refuses_then: Mutex<Option<(watch::Sender<ProxyMode>, watch::Sender<()>)>>,
    lost: AtomicUsize,
}

impl Trap {
    pub(super) fn set(&self, bait: Vec<u8>) {
        *self.bait.lock().unwrap_or_else(PoisonError::into_inner) = Some(bait);
    }

    pub(super) fn set_and_refuse(&self, bait: Vec<u8>, mode: watch::Sender<ProxyMode>, cuts: watch::Sender<()>) {
        *self.refuses_then.lock().unwrap_or_else(PoisonError::into_inner) = Some((mode, cuts));
        self.set(bait);
    }

    fn lost_one(&self) {
        if let Some((mode, cuts)) = self.refuses_then.lock().unwrap_or_else(PoisonError::into_inner).take() {
            mode.send_replace(ProxyMode::Refuse);
            cuts.send_replace(());
        }
        self.lost.fetch_add(1, Ordering::Release);
    }

    pub(super) fn lost(&self) -> usize {
        self.lost.load(Ordering::Acquire)
    }

    /// Whether this chunk completes the bytes that are waited for; then nobody waits any more. `before` is the
    /// end of what the same connection has sent.
    fn catches(&self, before: &mut Vec<u8>, chunk: &[u8]) -> bool {
        let mut waiting = self.bait.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bait) = waiting.as_ref().filter(|bait| !bait.is_empty()) else {
            before.clear();
            return false;
        };
        before.extend_from_slice(chunk);
        let caught = before.windows(bait.len()).any(|window| window == bait);
        before.drain(..before.len().saturating_sub(bait.len() - 1));
        if caught {
            *waiting = None;
        }
        caught
    }
}
