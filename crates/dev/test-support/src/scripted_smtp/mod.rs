//! An SMTP server that misbehaves as a test says, and writes down everything that reaches it.

mod behavior;
mod certificate_authority;
mod options;
mod session;
mod transcript;

use std::{net::SocketAddr, sync::Arc};

use local_stack::network::ports::Port;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use behavior::{Behavior, Phase, SmtpRule};
pub use certificate_authority::CertificateAuthority;
pub use options::SmtpOptions;
use transcript::SharedState;
pub use transcript::{Delivery, SmtpSession, SmtpStep, SmtpTransaction};

use crate::{DEADLINE, wait_for};

/// The running server. Dropping it closes everything.
#[derive(Debug)]
pub struct ScriptedSmtp {
    address: SocketAddr,
    _port: Port,
    scheme: &'static str,
    state: SharedState,
    stop: CancellationToken,
}

impl ScriptedSmtp {
    /// Returns a server that takes every mail, until rules say otherwise.
    ///
    /// # Panics
    /// Panics if it cannot listen.
    pub async fn start() -> Self {
        Self::start_with_extensions(&[]).await
    }

    /// Returns a server that advertises these extensions too, for example `AUTH PLAIN`.
    ///
    /// # Panics
    /// Panics if it cannot listen.
    pub async fn start_with_extensions(extensions: &[&str]) -> Self {
        let mut options = SmtpOptions::default();
        options.extensions.extend(extensions.iter().map(|&extension| extension.to_owned()));
        Self::start_with_options(options).await
    }

    /// Returns a server of another kind.
    ///
    /// # Panics
    /// Panics if it cannot listen.
    pub async fn start_with_options(options: SmtpOptions) -> Self {
        let port = Port::free().unwrap_or_else(|error| panic!("{error:#}"));
        let address = SocketAddr::new(options.host, port.number());
        let listener = TcpListener::bind(address).await.expect("a reserved port is free");
        let (state, stop) = (SharedState::default(), CancellationToken::new());
        let scheme = if options.has_implicit_tls() { "smtps" } else { "smtp" };
        tokio::spawn(session::serve(listener, state.clone(), Arc::new(options), stop.clone()));
        Self { address, _port: port, scheme, state, stop }
    }

    /// Returns `host:port`; an IPv6 address in brackets.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Returns the number of the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns `smtp://host:port`, or `smtps://host:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address())
    }

    /// Adds a rule; of several that apply the oldest with uses left wins.
    pub fn add_rule(&self, rule: SmtpRule) {
        self.state.lock().rules.push(rule);
    }

    /// Takes all rules away: from now on it behaves.
    pub fn clear_rules(&self) {
        self.state.lock().rules.clear();
    }

    /// Returns all connections so far.
    #[must_use]
    pub fn sessions(&self) -> Vec<SmtpSession> {
        self.state.lock().sessions.clone()
    }

    /// Returns all mail transactions so far, in the order of their MAIL commands.
    #[must_use]
    pub fn transactions(&self) -> Vec<SmtpTransaction> {
        self.state.lock().transactions.clone()
    }

    /// Returns all mails whose final dot arrived.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.state.lock().deliveries.clone()
    }

    /// Returns the latest delivery that is as asked.
    #[must_use]
    pub fn latest_delivery(&self, predicate: impl Fn(&Delivery) -> bool) -> Option<Delivery> {
        self.state.lock().deliveries.iter().rfind(|delivery| predicate(delivery)).cloned()
    }

    /// Returns the deliveries to one address.
    #[must_use]
    pub fn deliveries_to(&self, address: &str) -> Vec<Delivery> {
        let to = |delivery: &Delivery| delivery.mail.to.iter().any(|to| to.eq_ignore_ascii_case(address));
        self.deliveries().into_iter().filter(to).collect()
    }

    /// Returns how often the client got to a phase, over all connections.
    #[must_use]
    pub fn count(&self, phase: Phase) -> usize {
        self.state.lock().sessions.iter().flat_map(|session| &session.steps).filter(|step| step.phase == phase).count()
    }

    /// Waits until the client got to a phase so often.
    ///
    /// # Panics
    /// Panics if it has not after 30 s; with all connections.
    pub async fn wait_for_phase(&self, phase: Phase, count: usize) {
        self.wait_until(&format!("{count} × {phase:?}"), || self.count(phase) >= count).await;
    }

    /// Waits until so many final dots have arrived for an address.
    ///
    /// # Panics
    /// Panics if they have not after 30 s; with all connections.
    pub async fn wait_for_deliveries_to(&self, address: &str, count: usize) -> Vec<Delivery> {
        self.wait_until(&format!("{count} mail(s) to {address}"), || self.deliveries_to(address).len() >= count).await;
        self.deliveries_to(address)
    }

    async fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let reached = local_stack::wait_for::try_wait_for(DEADLINE, what, async || Ok(condition().then_some(()))).await;
        assert!(reached.is_ok(), "{what}: not within {DEADLINE:?}; the connections:\n{:#?}", self.sessions());
    }

    /// Waits until no connection is open.
    ///
    /// # Panics
    /// Panics if one still is after 30 s.
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
