//! One SMTP connection over lettre's: a deadline on every step, and types that make it
//! impossible to reuse a connection whose replies could be out of step.
//!
//! Every step takes the connection and gives it back only if the step was completed. A
//! step that fails, takes too long or is cancelled drops it, and with it the socket:
//! nothing (no QUIT) is ever written into a transaction of unknown state.

use std::{error::Error as _, fmt, net::IpAddr, sync::Arc, time::Duration};

use lettre::{
    Address,
    address::Envelope,
    transport::smtp::{
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Ehlo, Mail, Quit, Rcpt, Rset},
        extension::{ClientId, MailBodyParameter, MailParameter},
        response::Response,
    },
};
use parking_lot::Mutex;
use service_kit::{fail_point, panics};
use tokio::{
    sync::{Notify, OnceCell},
    time::{Instant, sleep, timeout},
};

use super::{
    login::{self, Mechanism, NotLoggedIn},
    offers::{Offers, SizeLimit},
    servers::{Encryption, Server},
    stream::{Flags, SmtpStream},
    verdict::{Phase, Reply, printable},
};

mod implicit_tls;

/// The label of the metric of caught panics.
const PLACE: &str = "smtp";

/// A process that was stopped finds all its deadlines over before it hears what came
/// meanwhile: one more look, at what is there already.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// lettre ends every mail with a line end of its own.
const LAST_LINE_END: usize = 2;

/// A server, and what connecting to it needs.
pub struct Endpoint {
    pub server: Server,
    /// In EHLO; none: the address of the connection.
    hello_name: Option<String>,
    /// The deadline of each step.
    step: Duration,
    tls: OnceCell<TlsParameters>,
    /// How it let us in last.
    mechanism: Mutex<Option<Mechanism>>,
}

/// Why an attempt to connect came to nothing.
enum NotConnected {
    Failed(ConnectError),
    /// The server hung up on the login, and may take one of these on another connection.
    HungUp(ConnectError, Vec<Mechanism>),
}

impl From<ConnectError> for NotConnected {
    fn from(error: ConnectError) -> Self {
        Self::Failed(error)
    }
}

/// Why there is no connection: the server's or the network's matter, never a mail's.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{step}: {problem}")]
pub struct ConnectError {
    /// What was being done.
    pub step: &'static str,
    pub problem: String,
}

/// A step was not completed: the connection is gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {problem}")]
pub struct Broken {
    pub step: &'static str,
    pub problem: String,
}

/// Runs a step; a panic at what the server says breaks the connection like any other failure.
async fn unbroken<T>(step: &'static str, work: impl Future<Output = Result<T, Broken>>) -> Result<T, Broken> {
    let done = panics::catch_future(PLACE, work).await;
    done.unwrap_or_else(|panicked| Err(Broken { step, problem: panicked.to_string() }))
}

/// A connection with no transaction open.
pub struct Connection {
    smtp: AsyncSmtpConnection,
    offers: Offers,
    flags: Arc<Flags>,
    step: Duration,
    /// When it was opened.
    pub opened: Instant,
}

/// The server has said 354 and waits for the body. Whoever drops this closes the socket
/// without a word, so the server throws the transaction away.
pub struct OpenTransaction {
    connection: Connection,
}

/// How far a transaction came.
pub enum Begun {
    /// 354: the body may follow.
    Open(OpenTransaction),
    /// The server refused, or answered something that does not belong here.
    Refused { phase: Phase, reply: Reply, connection: Connection },
    /// This server cannot take such a mail, and was not asked to. Another one may.
    Unsupported { problem: String, connection: Connection },
}

impl Endpoint {
    #[must_use]
    pub fn new(server: Server, hello_name: Option<String>, step: Duration) -> Self {
        Self { server, hello_name, step, tls: OnceCell::new(), mechanism: Mutex::default() }
    }

    /// Connects, encrypts and logs in as the server's URL says.
    ///
    /// # Errors
    /// [`ConnectError`]; nothing of it is a mail's fault. A panic at what the server says is one too.
    pub async fn connect(&self) -> Result<Connection, ConnectError> {
        let connected = panics::catch_future(PLACE, async {
            fail_point!("smtp.connect");
            self.try_connect().await
        });
        connected.await.unwrap_or_else(|panicked| Err(failed("connect", panicked)))
    }

    async fn try_connect(&self) -> Result<Connection, ConnectError> {
        let left = match self.attempt(None).await {
            Ok(connection) => return Ok(connection),
            Err(NotConnected::Failed(error)) => return Err(error),
            Err(NotConnected::HungUp(error, left)) => {
                tracing::debug!(server = %self.server, %error, "another connection for another login");
                left
            }
        };
        self.attempt(Some(&left)).await.map_err(|error| match error {
            NotConnected::Failed(error) | NotConnected::HungUp(error, _) => error,
        })
    }

    /// One connection. `only`: the mechanisms by which to log in.
    async fn attempt(&self, only: Option<&[Mechanism]>) -> Result<Connection, NotConnected> {
        let server = &self.server;
        let connected = SmtpStream::connect(&server.host, server.port, self.step).await;
        let stream = connected.map_err(|error| failed("connect", error))?;
        let flags = stream.flags();
        let hello = self.hello(&stream);
        let peer = stream.peer_ip();

        let mut encrypted = server.encryption == Encryption::Implicit;
        let mut smtp = if encrypted {
            flags.read_in_bulk();
            let tls = self.within("TLS", 1, implicit_tls::connect(stream, self.tls().await?)).await?;
            self.within("greeting and EHLO", 2, AsyncSmtpConnection::connect_with_transport(Box::new(tls), &hello))
                .await?
        } else {
            self.within("greeting and EHLO", 2, AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello))
                .await?
        };
        match server.encryption {
            Encryption::Required if !smtp.can_starttls() => {
                return Err(failed("STARTTLS", "the server does not offer it; see smtp.url for tls=…").into());
            }
            Encryption::Required | Encryption::Opportunistic if smtp.can_starttls() => {
                let tls = self.tls().await?;
                self.within("STARTTLS", 3, smtp.starttls(tls, &hello)).await?;
                encrypted = true;
            }
            Encryption::Required | Encryption::Opportunistic | Encryption::Implicit | Encryption::None => {}
        }
        flags.read_in_bulk();
        let offers = self.offers(&mut smtp, &hello).await?;
        if let Some(login) = &server.login {
            if !may_log_in(encrypted, peer) {
                return Err(failed("AUTH", "the password is not sent over an unencrypted connection").into());
            }
            let mut mechanisms = login::offered(&offers, *self.mechanism.lock());
            if let Some(only) = only {
                mechanisms.retain(|mechanism| only.contains(mechanism));
            }
            match login::log_in(&mut smtp, &mechanisms, login, self.step).await {
                Ok(mechanism) => *self.mechanism.lock() = Some(mechanism),
                Err(NotLoggedIn::Refused(problem)) => return Err(failed("AUTH", problem).into()),
                Err(NotLoggedIn::HungUp { problem, left }) => {
                    return Err(NotConnected::HungUp(failed("AUTH", problem), left));
                }
            }
        }
        flags.connected();
        Ok(Connection { smtp, offers, flags, step: self.step, opened: Instant::now() })
    }

    /// Asks once more: lettre forgets the extensions that it does not use itself, and what
    /// was said before TLS does not count.
    async fn offers(&self, smtp: &mut AsyncSmtpConnection, hello: &ClientId) -> Result<Offers, ConnectError> {
        let reply = self.within("EHLO", 1, smtp.command(Ehlo::new(hello.clone()))).await?;
        Ok(Offers::of(&reply))
    }

    /// EHLO's name; where none is configured the address literal that RFC 5321 asks for.
    fn hello(&self, stream: &SmtpStream) -> ClientId {
        match (&self.hello_name, stream.local_addr().map(|address| address.ip())) {
            (Some(name), _) => ClientId::Domain(name.clone()),
            (None, Ok(std::net::IpAddr::V4(ip))) => ClientId::Ipv4(ip),
            (None, Ok(std::net::IpAddr::V6(ip))) => ClientId::Ipv6(ip),
            (None, Err(_)) => ClientId::default(),
        }
    }

    /// Made at first use: it reads the system's certificates.
    async fn tls(&self) -> Result<TlsParameters, ConnectError> {
        let make = || async {
            let host = self.server.host.clone();
            let make = move || panics::catch(PLACE, || TlsParameters::new(host));
            match tokio::task::spawn_blocking(make).await {
                Ok(Ok(made)) => made.map_err(|error| failed("TLS", error)),
                Ok(Err(panicked)) => Err(failed("TLS", panicked)),
                // Not the error of the join, which would quote a panic.
                Err(_) => Err(failed("TLS", "the certificates could not be read")),
            }
        };
        self.tls.get_or_try_init(make).await.cloned()
    }

    /// `steps` commands or handshakes under their common deadline.
    async fn within<T, E: fmt::Display>(
        &self,
        step: &'static str,
        steps: u32,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, ConnectError> {
        match timeout(self.step * steps, operation).await {
            Ok(result) => result.map_err(|error| failed(step, error)),
            Err(_) => Err(failed(step, "no answer in time")),
        }
    }
}

fn failed(step: &'static str, problem: impl fmt::Display) -> ConnectError {
    ConnectError { step, problem: printable(&problem.to_string()) }
}

impl Connection {
    /// MAIL, RCPT and DATA.
    ///
    /// # Errors
    /// [`Broken`]: the mail was not accepted, and the connection is gone.
    pub async fn begin(self, envelope: &Envelope, body: &[u8]) -> Result<Begun, Broken> {
        unbroken("begin", self.try_begin(envelope, body)).await
    }

    async fn try_begin(mut self, envelope: &Envelope, body: &[u8]) -> Result<Begun, Broken> {
        let Some((from, to, ascii)) = addresses(envelope) else {
            let problem = "the envelope has no single plain recipient".to_owned();
            return Ok(Begun::Unsupported { problem, connection: self });
        };
        let parameters = match self.parameters(ascii, body) {
            Ok(parameters) => parameters,
            Err(problem) => return Ok(Begun::Unsupported { problem, connection: self }),
        };
        let commands = [
            (Phase::Mail, Mail::new(from, parameters).to_string()),
            (Phase::Rcpt, Rcpt::new(to, Vec::new()).to_string()),
            (Phase::Data, Data.to_string()),
        ];
        for (phase, command) in commands {
            let reply = self.command(phase.as_str(), command).await?;
            if !phase.accepts(&reply) {
                return Ok(Begun::Refused { phase, reply, connection: self });
            }
        }
        Ok(Begun::Open(OpenTransaction { connection: self }))
    }

    /// RSET: makes sure that the connection lives and that its replies are in step.
    ///
    /// # Errors
    /// [`Broken`]: the connection is gone.
    pub async fn reset(mut self) -> Result<Self, Broken> {
        let reply = self.command("RSET", Rset.to_string()).await?;
        if reply.code == 250 { Ok(self) } else { Err(Broken { step: "RSET", problem: reply.to_string() }) }
    }

    /// Says goodbye, for politeness; not after a DATA.
    pub async fn quit(mut self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        // What the server says to it changes nothing.
        let quit = timeout(PATIENCE, self.command("QUIT", Quit.to_string()));
        let _ = panics::catch_future(PLACE, quit).await;
    }

    /// What MAIL has to say about such a mail, or why this server cannot take it.
    fn parameters(&self, ascii: bool, body: &[u8]) -> Result<Vec<MailParameter>, String> {
        let mut parameters = Vec::new();
        // As RFC 1870 counts: without the dot, and without the dots that are doubled.
        let size = body.len() + LAST_LINE_END;
        match self.offers.size {
            SizeLimit::Bytes(most) if u64::try_from(size).is_ok_and(|size| size > most) => {
                return Err(format!("the mail has {size} bytes, and the server takes {most} (SIZE)"));
            }
            SizeLimit::Bytes(_) | SizeLimit::Open => parameters.push(MailParameter::Size(size)),
            SizeLimit::Unknown => {}
        }
        if !body.is_ascii() {
            if !self.offers.eight_bit_mime {
                return Err("the server takes no 8BITMIME".to_owned());
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        if !ascii {
            if !self.offers.smtp_utf8 {
                return Err("the server takes no addresses with characters beyond ASCII (SMTPUTF8)".to_owned());
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        Ok(parameters)
    }

    /// Sends one command and waits for its reply, whatever it says.
    async fn command(&mut self, step: &'static str, command: String) -> Result<Reply, Broken> {
        let answer = timeout(self.step, self.smtp.command(command)).await;
        completed(step, answer.ok())
    }
}

impl OpenTransaction {
    /// Sends the body and the dot, and waits for the reply to the dot.
    ///
    /// # Errors
    /// [`Broken`]: nobody knows whether the mail was accepted.
    pub async fn deliver(self, body: &[u8], patience: Patience) -> Result<(Reply, Connection), Broken> {
        unbroken("body", self.try_deliver(body, patience)).await
    }

    async fn try_deliver(mut self, body: &[u8], patience: Patience) -> Result<(Reply, Connection), Broken> {
        let (flags, written) = (Arc::clone(&self.connection.flags), Notify::new());
        // The second part is never there; asking for it tells that the first is written.
        let end_of_body = std::iter::from_fn(|| {
            flags.body_written();
            written.notify_one();
            None
        });
        let parts = std::iter::once(body).chain(end_of_body);
        let answer = {
            let message = self.connection.smtp.message_iter(parts);
            tokio::pin!(message);
            tokio::select! {
                biased;
                answer = &mut message => Some(answer),
                () = written.notified() => match timeout(patience.dot, message.as_mut()).await {
                    Ok(answer) => Some(answer),
                    Err(_) => timeout(LAST_LOOK, message).await.ok(),
                },
                () = sleep(patience.body) => None,
            }
        };
        Ok((completed("body and final dot", answer)?, self.connection))
    }
}

/// How long to wait once the body is being sent.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the body to be written.
    pub body: Duration,
    /// For the reply to the dot.
    pub dot: Duration,
}

/// The reply to a step, if there is one that can be read; `None` is "not in time".
fn completed(
    step: &'static str,
    answer: Option<Result<Response, lettre::transport::smtp::Error>>,
) -> Result<Reply, Broken> {
    match answer {
        None => Err(Broken { step, problem: "no answer in time".to_owned() }),
        Some(answer) => read_reply(answer).map_err(|error| Broken { step, problem: printable(&error.to_string()) }),
    }
}

/// A reply is one, whatever it says: lettre makes an error of those that refuse, and the
/// text its source.
pub(super) fn read_reply(
    answer: Result<Response, lettre::transport::smtp::Error>,
) -> Result<Reply, lettre::transport::smtp::Error> {
    match answer {
        Ok(response) => {
            let text = response.message().collect::<Vec<_>>().join(" ");
            Ok(Reply::new(response.code().into(), &text))
        }
        Err(error) => match error.status() {
            Some(code) => {
                let text = error.source().map(ToString::to_string).unwrap_or_default();
                Ok(Reply::new(code.into(), &text))
            }
            None => Err(error),
        },
    }
}

/// A password goes over TLS, or stays on this machine. What counts is where the connection
/// leads, not what the name in the URL looks like.
fn may_log_in(encrypted: bool, peer: Option<IpAddr>) -> bool {
    encrypted || peer.is_some_and(|ip| ip.to_canonical().is_loopback())
}

/// Sender and the one recipient, their domains as A-labels, and whether both are ASCII.
/// `None` for anything that is not one plain address: nothing of it may reach the wire.
fn addresses(envelope: &Envelope) -> Option<(Option<Address>, Address, bool)> {
    let [to] = envelope.to() else { return None };
    let to = plain(to)?;
    let from = match envelope.from() {
        Some(from) => Some(plain(from)?),
        None => None,
    };
    let is_ascii = |address: &Address| AsRef::<str>::as_ref(address).is_ascii();
    let ascii = is_ascii(&to) && from.as_ref().is_none_or(is_ascii);
    Some((from, to, ascii))
}

fn plain(address: &Address) -> Option<Address> {
    let text: &str = address.as_ref();
    if text.chars().any(|c| c.is_control() || matches!(c, '<' | '>')) {
        return None;
    }
    if address.domain().is_ascii() {
        return Some(address.clone());
    }
    let domain = url::Host::parse(address.domain()).ok()?.to_string();
    Address::new(address.user(), domain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(to: &[&str]) -> Envelope {
        let address = |text: &str| text.parse::<Address>().unwrap();
        Envelope::new(Some(address("us@example.org")), to.iter().map(|to| address(to)).collect()).unwrap()
    }

    #[test]
    fn a_domain_becomes_its_a_label() {
        let (_, to, ascii) = addresses(&envelope(&["ada@bücher.example"])).unwrap();
        assert_eq!((to.to_string().as_str(), ascii), ("ada@xn--bcher-kva.example", true));
        let (_, to, ascii) = addresses(&envelope(&["ädä@bücher.example"])).unwrap();
        assert_eq!((to.to_string().as_str(), ascii), ("ädä@xn--bcher-kva.example", false));
    }

    #[test]
    fn there_is_exactly_one_recipient() {
        assert!(addresses(&envelope(&["a@example.org", "b@example.org"])).is_none());
    }

    #[test]
    fn an_address_that_could_end_its_command_is_refused() {
        for user in ["a\r\nRCPT TO:<eve@example.org>", "a> <b", "\"a\0\""] {
            let hostile = Address::new_dangerous(user, "example.org");
            let envelope = Envelope::new(None, vec![hostile]).unwrap();
            assert!(addresses(&envelope).is_none(), "{user:?}");
        }
    }

    #[test]
    fn a_password_leaves_this_machine_only_encrypted() {
        let may = |encrypted, ip: &str| may_log_in(encrypted, Some(ip.parse().unwrap()));
        for near in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(may(false, near), "{near}");
        }
        for far in ["192.0.2.7", "10.1.2.3", "fd00::1", "fe80::1", "::ffff:192.0.2.7"] {
            assert!(!may(false, far) && may(true, far), "{far}");
        }
        assert!(!may_log_in(false, None));
    }

    #[test]
    fn a_step_without_an_answer_breaks_the_connection() {
        let broken = completed("MAIL", None).unwrap_err();
        assert_eq!(broken.to_string(), "MAIL: no answer in time");
    }
}
