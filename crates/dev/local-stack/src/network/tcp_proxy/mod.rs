//! A TCP proxy on the loopback interface for fault injection. Its connections can be cut, held, slowed down,
//! throttled, left half-open or refused, their bytes can be discarded, and the reply to one chosen request can be
//! lost.

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

/// The maximum number of connections. Further ones are closed immediately.
const MAX_CONNECTIONS: usize = 2_048;

/// A running proxy. Dropping it closes all connections and the listener.
#[derive(Debug)]
pub struct TcpProxy {
    port: u16,
    mode: watch::Sender<ProxyMode>,
    /// Notifies all existing connections that they are cut.
    cuts: watch::Sender<()>,
    /// Notifies all existing connections that they are left half-open.
    half_opens: watch::Sender<()>,
    reply_loss: Arc<ReplyLoss>,
    stop: CancellationToken,
    _reservation: Option<Port>,
}

impl TcpProxy {
    /// Listens on a free port and forwards to `upstream` (`host:port`).
    ///
    /// # Errors
    /// Returns an error if it cannot listen.
    pub async fn start(upstream: &str) -> Result<Self> {
        let reservation = Port::free()?;
        let mut proxy = Self::start_on(reservation.number(), upstream).await?;
        proxy._reservation = Some(reservation);
        Ok(proxy)
    }

    /// Listens on this port and forwards to `upstream` (`host:port`).
    ///
    /// # Errors
    /// Returns an error if it cannot listen.
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

    /// Returns the port that the proxy listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Sets the mode for new and existing connections.
    pub fn set_mode(&self, mode: ProxyMode) {
        self.mode.send_replace(mode);
        if mode == ProxyMode::Refuse {
            self.cut();
        }
    }

    /// Closes all existing connections. New ones are accepted according to the mode.
    pub fn cut(&self) {
        self.cuts.send_replace(());
    }

    /// Closes the connections to the upstream server but not those to the clients. What a client sends is
    /// discarded, and it receives nothing, as after the loss of a machine. New connections are not affected.
    pub fn leave_half_open(&self) {
        self.half_opens.send_replace(());
    }

    /// Forwards the next request that contains these bytes and cuts its connection instead of forwarding the reply.
    /// The bytes may be spread over several chunks of one connection.
    pub fn lose_reply_to(&self, request: impl Into<Vec<u8>>) {
        self.reply_loss.arm(request.into());
    }

    /// Does the same as [`TcpProxy::lose_reply_to`] and then sets [`ProxyMode::Refuse`], as if the server had crashed
    /// while it replied.
    pub fn lose_reply_to_and_refuse(&self, request: impl Into<Vec<u8>>) {
        self.reply_loss.arm_and_refuse(request.into(), self.mode.clone(), self.cuts.clone());
    }

    /// Returns the number of lost replies so far.
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
    /// The context that each connection gets a clone of.
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
                // Another process may use the port for a moment.
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
