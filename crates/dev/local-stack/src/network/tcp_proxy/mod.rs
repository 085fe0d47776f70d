//! A TCP proxy on loopback whose connections can be cut, held, slowed down, throttled, swallowed, left
//! half-open or refused, and that can lose the reply to one chosen request.

mod connection;
mod mode;
mod reply_loss;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::mode::ProxyMode;
use self::{connection::ConnectionContext, reply_loss::ReplyLoss};
use crate::network::ports::Port;

/// Connections beyond this many are closed at once.
const MAX_CONNECTIONS: usize = 2_048;

/// A running proxy. Dropping it closes everything.
#[derive(Debug)]
pub struct TcpProxy {
    port: u16,
    mode: watch::Sender<ProxyMode>,
    /// Changes when all connections there are shall be cut.
    cuts: watch::Sender<()>,
    /// Changes when they shall be left half-open.
    half_opens: watch::Sender<()>,
    reply_loss: Arc<ReplyLoss>,
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
        let (stop, reply_loss) = (CancellationToken::new(), Arc::new(ReplyLoss::default()));
        let context = ConnectionContext {
            upstream: upstream.to_owned(),
            modes,
            cut,
            half_open,
            reply_loss: Arc::clone(&reply_loss),
        };
        tokio::spawn(Acceptor { address, context, stop: stop.clone() }.run(listener));
        Ok(Self { port, mode, cuts, half_opens, reply_loss, stop, _reservation: None })
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
        self.reply_loss.arm(request.into());
    }

    /// The same, and from that moment on the proxy refuses connections: as of a server that goes while it answers. Until
    /// another mode is set.
    pub fn lose_reply_to_and_refuse(&self, request: impl Into<Vec<u8>>) {
        self.reply_loss.arm_and_refuse(request.into(), self.mode.clone(), self.cuts.clone());
    }

    /// How many replies [`TcpProxy::lose_reply_to`] has lost so far.
    #[must_use]
    pub fn lost_replies(&self) -> usize {
        self.reply_loss.lost_replies()
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
    context: ConnectionContext,
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
        let mut modes = self.context.modes.clone();
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
                    if connections.len() < MAX_CONNECTIONS && *modes.borrow() != ProxyMode::Refuse {
                        let (stop, connection) = (self.stop.clone(), self.context.for_new_connection());
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
