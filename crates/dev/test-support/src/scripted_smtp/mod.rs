//! An SMTP server that misbehaves as a test says, and writes down everything that reaches it.

mod options;
mod session;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use local_stack::network::ports::Port;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use options::{CertificateAuthority, SmtpOptions};

use crate::{DEADLINE, mailbox::ReceivedMail, wait_for};

/// Where in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The connection, before the greeting.
    Greeting,
    /// EHLO or HELO.
    Ehlo,
    /// STARTTLS.
    StartTls,
    /// AUTH; for LOGIN the reply to the password.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA, before the 354.
    Data,
    /// After the 354, at the first line of the mail.
    Body,
    /// After the final dot.
    Dot,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
}

/// What happens there instead of the usual answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behavior {
    /// This answer, for example `451 4.7.1 try later`; more lines with CR LF between them.
    Reply(String),
    /// These bytes instead of a reply, with nothing added; the session goes on.
    RawBytes(Vec<u8>),
    /// The beginning of a reply without its line end, and then no more; the connection stays open.
    PartialReply(String),
    /// No answer; the connection stays open.
    Hang,
    /// The connection is closed.
    Drop,
    /// The usual answer, later.
    Delay(Duration),
}

impl Behavior {
    /// [`Behavior::Reply`].
    #[must_use]
    pub fn reply(line: &str) -> Self {
        Self::Reply(line.to_owned())
    }
}

/// An act, where, for whom, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpRule {
    phase: Phase,
    act: Behavior,
    left: Option<u32>,
    recipient: Option<String>,
}

impl SmtpRule {
    /// Always, for everybody.
    #[must_use]
    pub fn always(phase: Phase, act: Behavior) -> Self {
        Self { phase, act, left: None, recipient: None }
    }

    /// The next time only.
    #[must_use]
    pub fn once(phase: Phase, act: Behavior) -> Self {
        Self::times(1, phase, act)
    }

    /// The next so many times.
    #[must_use]
    pub fn times(times: u32, phase: Phase, act: Behavior) -> Self {
        Self { phase, act, left: Some(times), recipient: None }
    }

    /// Only for this recipient; for phases from RCPT on.
    #[must_use]
    pub fn to(mut self, recipient: &str) -> Self {
        self.recipient = Some(recipient.to_owned());
        self
    }

    fn applies(&self, phase: Phase, recipients: &[String]) -> bool {
        let for_them =
            self.recipient.as_ref().is_none_or(|wanted| recipients.iter().any(|to| to.eq_ignore_ascii_case(wanted)));
        self.phase == phase && self.left != Some(0) && for_them
    }
}

/// One thing that the client said, and what it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpStep {
    /// Where in the session.
    pub phase: Phase,
    /// What the client said; of a body, how many bytes.
    pub line: String,
    /// The first line of the answer; none when it hung, was dropped, or none was due.
    pub reply: Option<String>,
}

/// One connection, from its greeting on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SmtpSession {
    /// What happened, in order.
    pub steps: Vec<SmtpStep>,
    /// Whether the connection has ended.
    pub ended: bool,
    /// Whether it was encrypted in the end.
    pub encrypted: bool,
}

impl SmtpSession {
    /// The phases, in order.
    #[must_use]
    pub fn phases(&self) -> Vec<Phase> {
        self.steps.iter().map(|step| step.phase).collect()
    }
}

/// A mail whose final dot arrived.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The number of its connection, from 0.
    pub session: usize,
    /// The mail.
    pub mail: ReceivedMail,
    /// The answer to the dot; none when it hung or was dropped.
    pub reply: Option<String>,
}

impl Delivery {
    /// Whether the answer was 250.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.starts_with("250"))
    }
}

/// A mail transaction from its MAIL command on, however it went on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SmtpTransaction {
    /// The number of its connection, from 0.
    pub session: usize,
    /// The recipients that were asked for, refused ones too.
    pub to: Vec<String>,
    /// The header `Message-ID`, if the dot arrived.
    pub message_id: Option<String>,
    /// When the dot arrived; none if it never did.
    pub dot_at: Option<SystemTime>,
    /// The first line of the answer to the dot; none when it was never written.
    pub reply: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<SmtpRule>,
    sessions: Vec<SmtpSession>,
    transactions: Vec<SmtpTransaction>,
    deliveries: Vec<Delivery>,
}

/// Shared between the server and its sessions.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<State>>);

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The act for this moment, used up by one.
    fn act(&self, phase: Phase, recipients: &[String]) -> Option<Behavior> {
        let mut state = self.state();
        let rule = state.rules.iter_mut().find(|rule| rule.applies(phase, recipients))?;
        rule.left = rule.left.map(|left| left - 1);
        Some(rule.act.clone())
    }

    /// The transaction that a session is in; nothing happens before its MAIL.
    fn in_transaction(&self, session: usize, change: impl FnOnce(&mut SmtpTransaction)) {
        if let Some(last) = self.state().transactions.iter_mut().rev().find(|last| last.session == session) {
            change(last);
        }
    }
}

/// The running server. Dropping it closes everything.
#[derive(Debug)]
pub struct ScriptedSmtp {
    address: SocketAddr,
    _port: Port,
    scheme: &'static str,
    shared: Shared,
    stop: CancellationToken,
}

impl ScriptedSmtp {
    /// A server that takes every mail, until rules say otherwise.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start() -> Self {
        Self::start_with_extensions(&[]).await
    }

    /// A server that advertises these extensions too, for example `AUTH PLAIN`.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start_with_extensions(extensions: &[&str]) -> Self {
        let mut kind = SmtpOptions::default();
        kind.extensions.extend(extensions.iter().map(|&extension| extension.to_owned()));
        Self::start_with_options(kind).await
    }

    /// A server of another kind.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start_with_options(kind: SmtpOptions) -> Self {
        let port = Port::free().unwrap_or_else(|error| panic!("{error:#}"));
        let address = SocketAddr::new(kind.host, port.number());
        let listener = TcpListener::bind(address).await.expect("a reserved port is free");
        let (shared, stop) = (Shared::default(), CancellationToken::new());
        let scheme = if kind.is_implicit() { "smtps" } else { "smtp" };
        tokio::spawn(session::serve(listener, shared.clone(), Arc::new(kind), stop.clone()));
        Self { address, _port: port, scheme, shared, stop }
    }

    /// `host:port`; an IPv6 address in brackets.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The number of the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `smtp://host:port`, or `smtps://host:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address())
    }

    /// Adds a rule; of several that apply the oldest with uses left wins.
    pub fn add_rule(&self, rule: SmtpRule) {
        self.shared.state().rules.push(rule);
    }

    /// Takes all rules away: from now on it behaves.
    pub fn clear_rules(&self) {
        self.shared.state().rules.clear();
    }

    /// All connections so far.
    #[must_use]
    pub fn sessions(&self) -> Vec<SmtpSession> {
        self.shared.state().sessions.clone()
    }

    /// All mail transactions so far, in the order of their MAIL commands.
    #[must_use]
    pub fn transactions(&self) -> Vec<SmtpTransaction> {
        self.shared.state().transactions.clone()
    }

    /// All mails whose final dot arrived.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.state().deliveries.clone()
    }

    /// The latest delivery that is as asked.
    #[must_use]
    pub fn latest_delivery(&self, is_as_asked: impl Fn(&Delivery) -> bool) -> Option<Delivery> {
        self.shared.state().deliveries.iter().rfind(|delivery| is_as_asked(delivery)).cloned()
    }

    /// The deliveries to one address.
    #[must_use]
    pub fn deliveries_to(&self, address: &str) -> Vec<Delivery> {
        let to = |delivery: &Delivery| delivery.mail.to.iter().any(|to| to.eq_ignore_ascii_case(address));
        self.deliveries().into_iter().filter(to).collect()
    }

    /// How often the client got to a phase, over all connections.
    #[must_use]
    pub fn count(&self, phase: Phase) -> usize {
        self.shared
            .state()
            .sessions
            .iter()
            .flat_map(|session| &session.steps)
            .filter(|step| step.phase == phase)
            .count()
    }

    /// Waits until the client got to a phase so often.
    ///
    /// # Panics
    /// When it has not after 30 s; with all connections.
    pub async fn wait_for_phase(&self, phase: Phase, count: usize) {
        self.wait_until(&format!("{count} × {phase:?}"), || self.count(phase) >= count).await;
    }

    /// Waits until so many final dots have arrived for an address.
    ///
    /// # Panics
    /// When they have not after 30 s; with all connections.
    pub async fn wait_for_deliveries_to(&self, address: &str, count: usize) -> Vec<Delivery> {
        self.wait_until(&format!("{count} mail(s) to {address}"), || self.deliveries_to(address).len() >= count).await;
        self.deliveries_to(address)
    }

    async fn wait_until(&self, what: &str, holds: impl Fn() -> bool) {
        let reached = local_stack::wait_for::try_wait_for(DEADLINE, what, async || Ok(holds().then_some(()))).await;
        assert!(reached.is_ok(), "{what}: not within {DEADLINE:?}; the connections:\n{:#?}", self.sessions());
    }

    /// Waits until no connection is open.
    ///
    /// # Panics
    /// When one still is after 30 s.
    pub async fn wait_until_disconnected(&self) {
        wait_for(DEADLINE, "the end of all SMTP connections", async || {
            self.sessions().iter().all(|session| session.ended).then_some(())
        })
        .await;
    }
}

impl Drop for ScriptedSmtp {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
