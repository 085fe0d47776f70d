//! A TCP proxy on loopback whose connections can be cut, held, slowed down, swallowed or refused.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::ports::Port;

/// Connections beyond this many are closed at once.
const MOST_CONNECTIONS: usize = 2_048;

/// What happens to connections and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Both directions flow.
    Pass,
    /// Nothing flows, nothing is lost: bytes wait until another mode is set.
    Hold,
    /// Every chunk waits this long first.
    Slow(Duration),
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
    mode: watch::Sender<Mode>,
    /// Raised by one to cut all connections there are.
    generation: watch::Sender<u64>,
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
        let (mode, modes) = watch::channel(Mode::Pass);
        let (generation, generations) = watch::channel(0);
        let stop = CancellationToken::new();
        let acceptor = Acceptor { address, upstream: upstream.to_owned(), modes, generations, stop: stop.clone() };
        tokio::spawn(acceptor.run(listener));
        Ok(Self { port, mode, generation, stop, _reservation: None })
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
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
        if mode == Mode::Refuse {
            self.cut();
        }
    }

    /// Closes all connections that there are; new ones are accepted as the mode says.
    pub fn cut(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Acceptor {
    address: SocketAddr,
    upstream: String,
    modes: watch::Receiver<Mode>,
    generations: watch::Receiver<u64>,
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
        loop {
            let refusing = *self.modes.borrow_and_update() == Mode::Refuse;
            if refusing {
                listener = None;
                if self.modes.changed().await.is_err() {
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
                    if connections.len() < MOST_CONNECTIONS && *self.modes.borrow() != Mode::Refuse {
                        let stop = self.stop.clone();
                        // From here on a cut is one of this connection.
                        self.generations.mark_unchanged();
                        let connection = Connection {
                            upstream: self.upstream.clone(),
                            modes: self.modes.clone(),
                            generations: self.generations.clone(),
                        };
                        connections.spawn(async move {
                            stop.run_until_cancelled(connection.run(client)).await;
                        });
                    }
                }
                changed = self.modes.changed() => if changed.is_err() { return },
            }
        }
    }
}

struct Connection {
    upstream: String,
    modes: watch::Receiver<Mode>,
    generations: watch::Receiver<u64>,
}

impl Connection {
    async fn run(mut self, client: TcpStream) {
        let forward = async {
            let Ok(server) = TcpStream::connect(&self.upstream).await else { return };
            let (_, _) = (client.set_nodelay(true), server.set_nodelay(true));
            let (client_read, client_write) = client.into_split();
            let (server_read, server_write) = server.into_split();
            tokio::join!(
                pump(client_read, server_write, self.modes.clone(), false),
                pump(server_read, client_write, self.modes.clone(), true),
            );
        };
        tokio::select! {
            () = forward => {}
            _ = self.generations.changed() => {}
        }
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut modes: watch::Receiver<Mode>, replies: bool) {
    let mut buffer = vec![0_u8; 16 * 1024];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        let Ok(mode) = modes.wait_for(|mode| *mode != Mode::Hold).await.map(|mode| *mode) else { return };
        match mode {
            Mode::Discard => continue,
            Mode::DiscardReplies if replies => continue,
            Mode::Slow(delay) => tokio::time::sleep(delay).await,
            _ => {}
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);
    const NOT_YET: Duration = Duration::from_millis(100);

    /// A server that sends everything back.
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

    async fn says(stream: &mut TcpStream, deadline: Duration) -> Option<usize> {
        let mut buffer = [0_u8; 16];
        tokio::time::timeout(deadline, stream.read(&mut buffer)).await.ok().map(|read| read.unwrap_or(0))
    }

    #[tokio::test]
    async fn bytes_pass_in_both_directions_until_the_connection_is_cut() {
        let proxy = TcpProxy::start(&echo().await).await.unwrap();
        let mut stream = connect(&proxy).await;
        stream.write_all(b"ping").await.unwrap();
        assert_eq!(says(&mut stream, SOON).await, Some(4));
        proxy.cut();
        assert_eq!(says(&mut stream, SOON).await, Some(0));
        let mut again = connect(&proxy).await;
        again.write_all(b"ping").await.unwrap();
        assert_eq!(says(&mut again, SOON).await, Some(4));
    }

    #[tokio::test]
    async fn held_bytes_arrive_later_and_discarded_ones_never() {
        let proxy = TcpProxy::start(&echo().await).await.unwrap();
        let mut stream = connect(&proxy).await;
        proxy.set(Mode::Hold);
        stream.write_all(b"held").await.unwrap();
        assert_eq!(says(&mut stream, NOT_YET).await, None);
        proxy.set(Mode::Pass);
        assert_eq!(says(&mut stream, SOON).await, Some(4));
        proxy.set(Mode::DiscardReplies);
        stream.write_all(b"lost").await.unwrap();
        assert_eq!(says(&mut stream, NOT_YET).await, None);
        proxy.set(Mode::Pass);
        stream.write_all(b"ok").await.unwrap();
        assert_eq!(says(&mut stream, SOON).await, Some(2));
    }

    #[tokio::test]
    async fn while_it_refuses_nobody_listens_and_afterwards_it_serves_again() {
        let proxy = TcpProxy::start(&echo().await).await.unwrap();
        let mut stream = connect(&proxy).await;
        proxy.set(Mode::Refuse);
        assert_eq!(says(&mut stream, SOON).await, Some(0));
        crate::until::until("the refusal", SOON, async || {
            Ok(TcpStream::connect(proxy.address()).await.is_err().then_some(()))
        })
        .await
        .unwrap();
        proxy.set(Mode::Pass);
        crate::until::until("the service", SOON, async || {
            Ok(TcpStream::connect(proxy.address()).await.is_ok().then_some(()))
        })
        .await
        .unwrap();
    }
}
