//! How an HTTP server stops taking requests, so that every request on an admitted connection is
//! answered.
//!
//! When actix is told to stop, it closes its listener at once, drops the connections that it has
//! accepted but not begun to serve, and starts no request that it has not read (actix-server 2.10
//! `WorkerState::Shutdown`, actix-http 3.20 `Flags::DRAINING`). The clients of these connections see
//! them closed without an answer. So actix is told to stop only when there is no such connection:
//!
//! 1. The kernel admits no more connections: a filter on the listening socket drops the first
//!    packet of each handshake. The clients repeat it after a second, and are refused then.
//! 2. Admitted connections are accepted and served as usual, with `Connection: close` in the answers.
//! 3. When for half a second no connection has been waiting to be accepted or for its first request,
//!    actix may stop. It finishes the requests in progress.

use std::{
    io, mem,
    net::{SocketAddr, TcpListener, ToSocketAddrs as _},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{Extensions, ServiceRequest, ServiceResponse},
    http::ConnectionType,
    middleware::Next,
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    time::Timespec,
};
use socket2::{Domain, Protocol, SockAddr, SockFilter, SockRef, Socket, Type};
use tokio::time::{Instant, sleep, timeout};

/// The maximum number of complete handshakes that are not accepted yet. The kernel may allow fewer
/// (`somaxconn`).
const BACKLOG: i32 = 2048;
/// How long there must be no waiting connection. It gives time for a connection on its way from the
/// kernel to its worker, and for the next request of a client that was just answered.
const QUIET_PERIOD: Duration = Duration::from_millis(500);
/// The maximum delay that a client which has connected and sends nothing can cause.
const MAX_WAIT: Duration = Duration::from_secs(2);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Binds all addresses of `host`, with `SO_REUSEADDR`.
///
/// # Errors
/// Returns the last error if no address can be bound.
pub fn listen(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let mut bound = Vec::new();
    let mut failed = None;
    for address in (host, port).to_socket_addrs()? {
        // A machine may not support one of the address families.
        match listen_on(address) {
            Ok(listener) => bound.push(listener),
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if bound.is_empty() => Err(error),
        _ => Ok(bound),
    }
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The admission of connections to an HTTP server. Clones share the state.
#[derive(Clone, Debug)]
pub struct Intake(Arc<IntakeState>);

#[derive(Debug)]
struct IntakeState {
    /// Empty once the intake is closed: a socket stays open as long as a copy of it exists.
    listeners: Mutex<Vec<TcpListener>>,
    /// The number of connections on which no request has begun.
    unused: AtomicUsize,
    closing: AtomicBool,
}

impl Intake {
    /// Creates the intake of a server that listens on `listeners`.
    ///
    /// # Errors
    /// Returns an error if the process cannot open more files.
    pub fn new(listeners: &[TcpListener]) -> io::Result<Self> {
        let listeners = Mutex::new(listeners.iter().map(TcpListener::try_clone).collect::<io::Result<_>>()?);
        Ok(Self(Arc::new(IntakeState { listeners, unused: AtomicUsize::new(0), closing: AtomicBool::new(false) })))
    }

    /// Registers a connection that a worker has begun to serve. Call it in `HttpServer::on_connect`.
    pub fn on_connect(&self, data: &mut Extensions) {
        self.0.unused.fetch_add(1, Ordering::SeqCst);
        data.insert(Connection { intake: Arc::clone(&self.0), has_request: AtomicBool::new(false) });
    }

    /// Records that a request has begun and, while the server stops, tells the client to use
    /// another connection for its next request. This is the outermost middleware.
    ///
    /// # Errors
    /// Returns the errors of the inner service.
    pub async fn track_request<B: MessageBody + 'static>(
        self,
        request: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<B>, Error> {
        if let Some(connection) = request.conn_data::<Connection>() {
            connection.mark_used();
        }
        match next.call(request).await {
            Ok(mut response) => {
                if self.is_closing() {
                    response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
                }
                Ok(response)
            }
            Err(mut error) => {
                if self.is_closing() {
                    error.add_response_mapper(|mut response| {
                        response.head_mut().set_connection_type(ConnectionType::Close);
                        response
                    });
                }
                Err(error)
            }
        }
    }

    /// Admits no more connections, and waits until each admitted connection has begun a request, at
    /// most two seconds and at most `max_wait`. Afterwards the server can be stopped.
    pub async fn close(&self, max_wait: Duration) {
        self.0.closing.store(true, Ordering::SeqCst);
        let listeners = mem::take(&mut *self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner));
        for listener in &listeners {
            if let Err(error) = SockRef::from(listener).attach_filter(DROP_NEW_HANDSHAKES) {
                tracing::warn!(%error, "new connections may be closed without an answer while the server stops");
            }
        }
        if timeout(MAX_WAIT.min(max_wait), self.wait_until_quiet(&listeners)).await.is_err() {
            let connections = self.0.unused.load(Ordering::SeqCst);
            tracing::debug!(connections, "these connections have sent no request and are closed");
        }
    }

    async fn wait_until_quiet(&self, listeners: &[TcpListener]) {
        let mut since = Instant::now();
        while since.elapsed() < QUIET_PERIOD {
            if self.0.unused.load(Ordering::SeqCst) > 0 || has_waiting_connection(listeners) {
                since = Instant::now();
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    fn is_closing(&self) -> bool {
        self.0.closing.load(Ordering::SeqCst)
    }
}

/// Returns whether a connection waits in the kernel to be accepted.
fn has_waiting_connection(listeners: &[TcpListener]) -> bool {
    let mut sockets: Vec<_> = listeners.iter().map(|listener| PollFd::new(listener, PollFlags::IN)).collect();
    poll(&mut sockets, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

/// The state of one connection, stored in the connection's data.
struct Connection {
    intake: Arc<IntakeState>,
    has_request: AtomicBool,
}

impl Connection {
    fn mark_used(&self) {
        if !self.has_request.swap(true, Ordering::SeqCst) {
            self.intake.unused.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.mark_used();
    }
}

/// A classic BPF program on the TCP header. It drops SYN without ACK and lets all other packets
/// through, so that handshakes that have begun are completed.
const DROP_NEW_HANDSHAKES: &[SockFilter] = &[
    // Load the byte with the flags.
    SockFilter::new(0x30, 0, 0, 13),
    // Keep SYN and ACK.
    SockFilter::new(0x54, 0, 0, 0x12),
    // If only SYN is set, continue with the next instruction (drop), else with the one after (accept).
    SockFilter::new(0x15, 0, 1, 0x02),
    SockFilter::new(0x06, 0, 0, 0),
    SockFilter::new(0x06, 0, 0, u32::MAX),
];

#[cfg(test)]
mod tests {
    use std::{io::ErrorKind, net::SocketAddr};

    use actix_web::{App, HttpResponse, HttpServer, middleware::from_fn, web};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    /// Starts a server with one worker.
    fn serve() -> (SocketAddr, Intake, actix_web::dev::ServerHandle) {
        let listener = listen("127.0.0.1", 0).unwrap().remove(0);
        let intake = Intake::new(std::slice::from_ref(&listener)).unwrap();
        let (passing, connecting) = (intake.clone(), intake.clone());
        let server = HttpServer::new(move || {
            let intake = passing.clone();
            App::new()
                .wrap(from_fn(move |request, next| intake.clone().track_request(request, next)))
                .route("/", web::get().to(|| async { HttpResponse::Ok().body("hello") }))
        })
        .workers(1)
        .on_connect(move |_, data| connecting.on_connect(data))
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)
        .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        (address, intake, handle)
    }

    async fn answer(stream: &mut TcpStream) -> io::Result<String> {
        let mut text = Vec::new();
        while !text.ends_with(b"hello") {
            let mut bytes = [0; 1024];
            let read = timeout(Duration::from_secs(10), stream.read(&mut bytes)).await??;
            if read == 0 {
                break;
            }
            text.extend_from_slice(&bytes[..read]);
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    #[actix_web::test]
    async fn accepted_connections_are_answered_and_closed_and_later_ones_are_refused() {
        let (address, intake, handle) = serve();
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(REQUEST).await.unwrap();
        let kept = answer(&mut idle).await.unwrap();
        assert!(kept.starts_with("HTTP/1.1 200") && !kept.contains("connection: close"), "{kept}");

        let began = Instant::now();
        let closing = async {
            intake.close(MAX_WAIT).await;
            let closed = began.elapsed();
            handle.stop(true).await;
            closed
        };
        let late = async {
            while !intake.is_closing() {
                sleep(Duration::from_millis(1)).await;
            }
            TcpStream::connect(address).await.map(drop)
        };
        let clients = async {
            while !intake.is_closing() {
                sleep(Duration::from_millis(1)).await;
            }
            for stream in [&mut idle, &mut silent] {
                stream.write_all(REQUEST).await.unwrap();
                let told = answer(stream).await.unwrap();
                assert!(told.starts_with("HTTP/1.1 200") && told.contains("connection: close"), "{told:?}");
            }
        };
        let (closed, refused, ()) = tokio::join!(closing, late, clients);
        assert!(closed >= QUIET_PERIOD && closed < MAX_WAIT, "{closed:?}");
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }

    #[actix_web::test]
    async fn a_client_that_sends_nothing_delays_the_stop_only_briefly() {
        let (address, intake, handle) = serve();
        let _silent = TcpStream::connect(address).await.unwrap();
        let began = Instant::now();
        intake.close(MAX_WAIT).await;
        let took = began.elapsed();
        assert!(took >= MAX_WAIT && took < MAX_WAIT * 2, "{took:?}");
        handle.stop(false).await;
        assert_eq!(TcpStream::connect(address).await.map(drop).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }

    #[test]
    fn all_addresses_of_a_host_are_bound_and_a_port_in_use_is_refused() {
        let bound = listen("127.0.0.1", 0).unwrap();
        assert_eq!(bound.len(), 1);
        let port = bound[0].local_addr().unwrap().port();
        assert_eq!(listen("127.0.0.1", port).unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}
