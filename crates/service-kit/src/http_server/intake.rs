//! How an HTTP server stops taking requests, so that each one that was sent on a connection which
//! was let in is answered.
//!
//! actix closes its listener at once when it is told to stop, drops the connections that it has
//! accepted and not begun to serve, and begins no request that it has not read (actix-server 2.10
//! `WorkerState::Shutdown`, actix-http 3.20 `Flags::DRAINING`): a client of any of them sees its
//! connection closed without a byte. So it is told only when there is no such connection:
//!
//! 1. The kernel lets no further connection in: a filter on the listening socket drops the first
//!    packet of a handshake. Those clients send it again after a second, and are refused then.
//! 2. What has been let in is accepted and served as ever; answers say `Connection: close`.
//! 3. When no connection is waiting to be accepted or for its first request, and that has been so
//!    for a moment, actix may stop. It finishes the requests under way.

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

/// Handshakes that are complete and not accepted yet; the kernel may allow less (`somaxconn`).
const BACKLOG: i32 = 2048;
/// For a connection on its way from the kernel to its worker, and for the next request of a client
/// that was answered just before.
const QUIET_PERIOD: Duration = Duration::from_millis(500);
/// A client that has connected and sends nothing delays the end no longer than this.
const MAX_WAIT: Duration = Duration::from_secs(2);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Binds every address of `host`, with `SO_REUSEADDR`.
///
/// # Errors
/// If none can be bound: the last reason.
pub fn listen(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let mut bound = Vec::new();
    let mut failed = None;
    for address in (host, port).to_socket_addrs()? {
        // A machine may have no sockets of one address family.
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

/// The way into an HTTP server. Clones share it.
#[derive(Clone, Debug)]
pub struct Intake(Arc<IntakeState>);

#[derive(Debug)]
struct IntakeState {
    /// Until it closes: a socket that anything holds stays open.
    listeners: Mutex<Vec<TcpListener>>,
    /// Connections on which no request has begun.
    unused: AtomicUsize,
    closing: AtomicBool,
}

impl Intake {
    /// For a server that listens on these.
    ///
    /// # Errors
    /// If the process can open no more files.
    pub fn new(listeners: &[TcpListener]) -> io::Result<Self> {
        let listeners = Mutex::new(listeners.iter().map(TcpListener::try_clone).collect::<io::Result<_>>()?);
        Ok(Self(Arc::new(IntakeState { listeners, unused: AtomicUsize::new(0), closing: AtomicBool::new(false) })))
    }

    /// For `HttpServer::on_connect`: notes a connection that a worker has begun to serve.
    pub fn on_connect(&self, data: &mut Extensions) {
        self.0.unused.fetch_add(1, Ordering::SeqCst);
        data.insert(Connection { intake: Arc::clone(&self.0), has_request: AtomicBool::new(false) });
    }

    /// The outermost middleware: notes that a request has begun, and tells its client to use
    /// another connection for the next one while the server stops.
    ///
    /// # Errors
    /// Those of the inner service.
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

    /// Lets no connection in any more, and waits until each that was let in has begun a request,
    /// at most two seconds and at most `max_wait`. After it the server can be stopped.
    pub async fn close(&self, max_wait: Duration) {
        self.0.closing.store(true, Ordering::SeqCst);
        let listeners = mem::take(&mut *self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner));
        for listener in &listeners {
            if let Err(error) = SockRef::from(listener).attach_filter(DROP_NEW_HANDSHAKES) {
                tracing::warn!(%error, "connections that come while the server stops may be closed without an answer");
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

/// Whether a connection waits in the kernel to be accepted.
fn has_waiting_connection(listeners: &[TcpListener]) -> bool {
    let mut sockets: Vec<_> = listeners.iter().map(|listener| PollFd::new(listener, PollFlags::IN)).collect();
    poll(&mut sockets, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

/// One connection, among its data.
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

/// A classic BPF program over the TCP header: drops SYN without ACK, lets all else through, so
/// that handshakes that have begun come to their end.
const DROP_NEW_HANDSHAKES: &[SockFilter] = &[
    // The byte of the flags.
    SockFilter::new(0x30, 0, 0, 13),
    // SYN | ACK
    SockFilter::new(0x54, 0, 0, 0x12),
    // SYN alone: the next, else the one after.
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

    /// A server of one worker, and how it is stopped.
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
