//! A TCP proxy on loopback whose connections can be cut, held, slowed down, throttled, swallowed, left
//! half-open or refused, and that can lose the reply to one chosen request.

mod connection;

use std::{net::SocketAddr, num::NonZeroU32, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::connection::{Connection, Trap};
use crate::ports::Port;

/// Connections beyond this many are closed at once.
const MOST_CONNECTIONS: usize = 2_048;

/// What happens to connections and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyMode {
    /// Both directions flow.
    Pass,
    /// Nothing flows, nothing is lost: bytes wait until another mode is set.
    Hold,
    /// Every chunk waits this long first.
    Slow(Duration),
    /// So many bytes a second in each direction of each connection.
    Throttle(NonZeroU32),
    /// What is sent in either direction vanishes; connections stay open.
    Discard,
    /// Requests arrive upstream, the replies vanish.
    DiscardReplies,
    /// Nobody listens: a connection attempt is refused; existing connections are cut.
    Refuse,
}

/// A running proxy. Dropping it closes everything.
#[derive(Debug)]
pub struct TcpProxy {
    port: u16,
    mode: watch::Sender<ProxyMode>,
    /// Changes when all connections there are shall be cut.
    cuts: watch::Sender<()>,
    /// Changes when they shall be left half-open.
    half_opens: watch::Sender<()>,
    trap: Arc<Trap>,
    stop: CancellationToken,
    _reservation: Option<Port>,
}

impl TcpProxy {
    /// Listens on a free port and forwards to `upstream` (`host:port`).
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(upstream: &str) -> Result<Self> {
        let reservation = Port::free()?;
        let mut proxy = Self::start_on(reservation.number(), upstream).await?;
        proxy._reservation = Some(reservation);
        Ok(proxy)
    }

    /// Listens on this port and forwards to `upstream` (`host:port`).
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start_on(port: u16, upstream: &str) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on port {port}"))?;
        let (mode, modes) = watch::channel(ProxyMode::Pass);
        let (cuts, cut) = watch::channel(());
        let (half_opens, half_open) = watch::channel(());
        let (stop, trap) = (CancellationToken::new(), Arc::new(Trap::default()));
        let connection = Connection { upstream: upstream.to_owned(), modes, cut, half_open, trap: Arc::clone(&trap) };
        tokio::spawn(Acceptor { address, connection, stop: stop.clone() }.run(listener));
        Ok(Self { port, mode, cuts, half_opens, trap, stop, _reservation: None })
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Sets what happens from now on, to existing connections too.
    pub fn set_mode(&self, mode: ProxyMode) {
        self.mode.send_replace(mode);
        if mode == ProxyMode::Refuse {
            self.cut();
        }
    }

    /// Closes all connections that there are; new ones are accepted as the mode says.
    pub fn cut(&self) {
        self.cuts.send_replace(());
    }

    /// Takes the upstream's end of all connections away without telling the clients: theirs stay open, what
    /// they send vanishes, and nothing comes back, as after the loss of a machine. New connections are not
    /// concerned.
    pub fn leave_half_open(&self) {
        self.half_opens.send_replace(());
    }

    /// The next request in which these bytes stand arrives upstream, and its connection is cut in place of the
    /// reply. They are found across chunks, in what one connection sends.
    pub fn lose_reply_to(&self, request: impl Into<Vec<u8>>) {
        self.trap.set(request.into());
    }

    /// The same, and from that moment on the proxy refuses connections: as of a server that goes while it answers. Until
    /// another mode is set.
    pub fn lose_reply_to_and_refuse(&self, request: impl Into<Vec<u8>>) {
        self.trap.set_and_refuse(request.into(), self.mode.clone(), self.cuts.clone());
    }

    /// How many replies [`TcpProxy::lose_reply_to`] has lost so far.
    #[must_use]
    pub fn lost_replies(&self) -> usize {
        self.trap.lost()
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Acceptor {
    address: SocketAddr,
    /// What each connection is made of.
    connection: Connection,
    stop: CancellationToken,
}

impl Acceptor {
    async fn run(mut self, listener: TcpListener) {
        let stop = self.stop.clone();
        stop.run_until_cancelled(self.accept(listener)).await;
    }

    async fn accept(&mut self, first: TcpListener) {
        let mut listener = Some(first);
        let connections = TaskTracker::new();
        let mut modes = self.connection.modes.clone();
        loop {
            let refusing = *modes.borrow_and_update() == ProxyMode::Refuse;
            if refusing {
                listener = None;
                if modes.changed().await.is_err() {
                    return;
                }
                continue;
            }
            if listener.is_none() {
                // Another process may hold the port for a moment.
                match TcpListener::bind(self.address).await {
                    Ok(bound) => listener = Some(bound),
                    Err(_taken) => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        continue;
                    }
                }
            }
            let Some(open) = &listener else { continue };
            tokio::select! {
                accepted = open.accept() => {
                    let Ok((client, _)) = accepted else { continue };
                    if connections.len() < MOST_CONNECTIONS && *modes.borrow() != ProxyMode::Refuse {
                        let (stop, connection) = (self.stop.clone(), self.connection.accepted());
                        connections.spawn(async move {
                            stop.run_until_cancelled(connection.run(client)).await;
                        });
                    }
                }
                changed = modes.changed() => if changed.is_err() { return },
            }
        }
    }
}

#[cfg(test)]
mod tests;
