//! How a connection is made: TCP, TLS, EHLO and authentication.

use std::{fmt, time::Duration};

use lettre::transport::smtp::{
    client::{AsyncSmtpConnection, TlsParameters},
    commands::Ehlo,
    extension::ClientId,
};
use parking_lot::Mutex;
use service_kit::{fail_point, panics};
use tokio::{sync::OnceCell, time::timeout};

use super::{
    auth::{self, AuthError, Mechanism},
    connection::{Connection, ConnectionBroken, PANIC_LABEL},
    ehlo_capabilities::EhloCapabilities,
    implicit_tls,
    server_config::{Encryption, Server},
    stream::SmtpStream,
};

/// A server, and the settings and state for connecting to it.
pub struct Endpoint {
    pub server: Server,
    /// The name in EHLO; `None` means the address of the connection.
    hello_name: Option<String>,
    /// The deadline of each step.
    step: Duration,
    tls: OnceCell<TlsParameters>,
    /// The mechanism that the server accepted last.
    mechanism: Mutex<Option<Mechanism>>,
}

/// Why one attempt to connect failed.
enum AttemptError {
    Failed(ConnectionBroken),
    /// The server closed the connection during authentication, and may accept one of these
    /// mechanisms on another connection.
    ClosedDuringAuth(ConnectionBroken, Vec<Mechanism>),
}

impl From<ConnectionBroken> for AttemptError {
    fn from(error: ConnectionBroken) -> Self {
        Self::Failed(error)
    }
}

impl Endpoint {
    #[must_use]
    pub fn new(server: Server, hello_name: Option<String>, step: Duration) -> Self {
        Self { server, hello_name, step, tls: OnceCell::new(), mechanism: Mutex::default() }
    }

    /// Connects, encrypts and authenticates as the server's URL says.
    ///
    /// # Errors
    /// Returns [`ConnectionBroken`], also for a panic at the server's data; it is never caused by a
    /// mail.
    pub async fn connect(&self) -> Result<Connection, ConnectionBroken> {
        let connected = panics::catch_future(PANIC_LABEL, async {
            fail_point!("smtp.connect");
            self.try_connect().await
        });
        connected.await.unwrap_or_else(|panicked| Err(ConnectionBroken::new("connect", panicked)))
    }

    async fn try_connect(&self) -> Result<Connection, ConnectionBroken> {
        let remaining = match self.try_connect_once(None).await {
            Ok(connection) => return Ok(connection),
            Err(AttemptError::Failed(error)) => return Err(error),
            Err(AttemptError::ClosedDuringAuth(error, remaining)) => {
                tracing::debug!(server = %self.server, %error, "trying another mechanism on a new connection");
                remaining
            }
        };
        self.try_connect_once(Some(&remaining)).await.map_err(|error| match error {
            AttemptError::Failed(error) | AttemptError::ClosedDuringAuth(error, _) => error,
        })
    }

    /// Tries one connection. `allowed` limits the mechanisms of the authentication.
    async fn try_connect_once(&self, allowed: Option<&[Mechanism]>) -> Result<Connection, AttemptError> {
        let server = &self.server;
        let connected = SmtpStream::connect(&server.host, server.port, self.step).await;
        let stream = connected.map_err(|error| ConnectionBroken::new("connect", error))?;
        let flags = stream.flags();
        let hello = self.hello_id(&stream);
        let peer = stream.peer_ip();

        let mut encrypted = server.encryption == Encryption::Implicit;
        let mut smtp = if encrypted {
            flags.read_in_bulk();
            let tls = self.with_deadline("TLS", 1, implicit_tls::connect(stream, self.tls_parameters().await?)).await?;
            self.with_deadline(
                "greeting and EHLO",
                2,
                AsyncSmtpConnection::connect_with_transport(Box::new(tls), &hello),
            )
            .await?
        } else {
            self.with_deadline(
                "greeting and EHLO",
                2,
                AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello),
            )
            .await?
        };
        match server.encryption {
            Encryption::Required if !smtp.can_starttls() => {
                return Err(
                    ConnectionBroken::new("STARTTLS", "the server does not offer it; see smtp.url for tls=…").into()
                );
            }
            Encryption::Required | Encryption::Opportunistic if smtp.can_starttls() => {
                let tls = self.tls_parameters().await?;
                self.with_deadline("STARTTLS", 3, smtp.starttls(tls, &hello)).await?;
                encrypted = true;
            }
            Encryption::Required | Encryption::Opportunistic | Encryption::Implicit | Encryption::None => {}
        }
        flags.read_in_bulk();
        let capabilities = self.ask_capabilities(&mut smtp, &hello).await?;
        if let Some(credentials) = &server.credentials {
            if !auth::may_send_password(encrypted, peer) {
                return Err(
                    ConnectionBroken::new("AUTH", "the password is not sent over an unencrypted connection").into()
                );
            }
            let mut mechanisms = auth::mechanisms_in_order(&capabilities, *self.mechanism.lock());
            if let Some(allowed) = allowed {
                mechanisms.retain(|mechanism| allowed.contains(mechanism));
            }
            match auth::authenticate(&mut smtp, &mechanisms, credentials, self.step).await {
                Ok(mechanism) => *self.mechanism.lock() = Some(mechanism),
                Err(AuthError::Refused(problem)) => return Err(ConnectionBroken::new("AUTH", problem).into()),
                Err(AuthError::ConnectionClosed { problem, remaining }) => {
                    return Err(AttemptError::ClosedDuringAuth(ConnectionBroken::new("AUTH", problem), remaining));
                }
            }
        }
        flags.connected();
        Ok(Connection::new(smtp, capabilities, flags, self.step))
    }

    /// Sends EHLO once more: lettre does not keep the extensions that it does not use itself, and
    /// the reply before TLS does not count.
    async fn ask_capabilities(
        &self,
        smtp: &mut AsyncSmtpConnection,
        hello: &ClientId,
    ) -> Result<EhloCapabilities, ConnectionBroken> {
        let reply = self.with_deadline("EHLO", 1, smtp.command(Ehlo::new(hello.clone()))).await?;
        Ok(EhloCapabilities::from_reply(&reply))
    }

    /// Returns the name for EHLO; if none is configured, the address literal that RFC 5321 asks
    /// for.
    fn hello_id(&self, stream: &SmtpStream) -> ClientId {
        match (&self.hello_name, stream.local_addr().map(|address| address.ip())) {
            (Some(name), _) => ClientId::Domain(name.clone()),
            (None, Ok(std::net::IpAddr::V4(ip))) => ClientId::Ipv4(ip),
            (None, Ok(std::net::IpAddr::V6(ip))) => ClientId::Ipv6(ip),
            (None, Err(_)) => ClientId::default(),
        }
    }

    /// Returns the TLS parameters. They are made at first use, because that reads the system's
    /// certificates.
    async fn tls_parameters(&self) -> Result<TlsParameters, ConnectionBroken> {
        let make = || async {
            let host = self.server.host.clone();
            let make = move || panics::catch(PANIC_LABEL, || TlsParameters::new(host));
            match tokio::task::spawn_blocking(make).await {
                Ok(Ok(made)) => made.map_err(|error| ConnectionBroken::new("TLS", error)),
                Ok(Err(panicked)) => Err(ConnectionBroken::new("TLS", panicked)),
                // The join error is not shown: it would quote a panic.
                Err(_) => Err(ConnectionBroken::new("TLS", "the certificates could not be read")),
            }
        };
        self.tls.get_or_try_init(make).await.cloned()
    }

    /// Runs an operation of `steps` commands or handshakes with their common deadline.
    async fn with_deadline<T, E: fmt::Display>(
        &self,
        step: &'static str,
        steps: u32,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, ConnectionBroken> {
        match timeout(self.step * steps, operation).await {
            Ok(result) => result.map_err(|error| ConnectionBroken::new(step, error)),
            Err(_) => Err(ConnectionBroken::new(step, "no answer in time")),
        }
    }
}
