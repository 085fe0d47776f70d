//! A scripted SMTP server: it misbehaves according to the rules of a test, and records everything that it receives.

mod behavior;
mod certificate_authority;
mod options;
mod session;
mod transcript;

use std::{net::SocketAddr, sync::Arc};

use local_stack::{
    network::ports::Port,
    wait_for::{DEADLINE, try_wait_for, wait_for},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use behavior::{Behavior, Phase, SmtpRule};
pub use certificate_authority::CertificateAuthority;
pub use options::SmtpOptions;
use transcript::SharedState;
pub use transcript::{Delivery, SmtpSession, SmtpStep, SmtpTransaction};

/// A running scripted SMTP server. Dropping it closes all connections.
#[derive(Debug)]
pub struct ScriptedSmtp {
    address: SocketAddr,
    _port: Port,
    scheme: &'static str,
    state: SharedState,
    stop: CancellationToken,
}

impl ScriptedSmtp {
    /// Starts a server that accepts every mail unless rules say otherwise.
    ///
    /// # Panics
    /// Panics if it cannot listen.
    pub async fn start() -> Self {
        Self::start_with_extensions(&[]).await
    }

    /// Starts a server that also announces these extensions, for example `AUTH PLAIN`.
    ///
    /// # Panics
    /// Panics if it cannot listen.
    pub async fn start_with_extensions(extensions: &[&str]) -> Self {
        let mut options = SmtpOptions::default();
        options.extensions.extend(extensions.iter().map(|&extension| extension.to_owned()));
        Self::start_with_options(options).await
    }

    /// Starts a server with these options.
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

    /// Returns `host:port`, with an IPv6 address in brackets.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Returns the port number.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns `smtp://host:port`, or `smtps://host:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address())
    }

    /// Adds a rule. If several rules apply, the oldest one with remaining uses wins.
    pub fn add_rule(&self, rule: SmtpRule) {
        self.state.lock().rules.push(rule);
    }

    /// Removes all rules, so that the server behaves normally from now on.
    pub fn clear_rules(&self) {
        self.state.lock().rules.clear();
    }

    /// Returns all sessions so far.
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

    /// Returns the latest delivery that satisfies the predicate.
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

    /// Returns how often clients have reached a phase, over all sessions.
    #[must_use]
    pub fn count(&self, phase: Phase) -> usize {
        self.state.lock().sessions.iter().flat_map(|session| &session.steps).filter(|step| step.phase == phase).count()
    }

    /// Waits until clients have reached a phase at least `count` times.
    ///
    /// # Panics
    /// Panics with all sessions if this does not happen within 30 s.
    pub async fn wait_for_phase(&self, phase: Phase, count: usize) {
        self.wait_until(&format!("{count} × {phase:?}"), || self.count(phase) >= count).await;
    }

    /// Waits until at least `count` mails to an address have arrived, and returns the deliveries.
    ///
    /// # Panics
    /// Panics with all sessions if this does not happen within 30 s.
    pub async fn wait_for_deliveries_to(&self, address: &str, count: usize) -> Vec<Delivery> {
        self.wait_until(&format!("{count} mail(s) to {address}"), || self.deliveries_to(address).len() >= count).await;
        self.deliveries_to(address)
    }

    async fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let reached = try_wait_for(DEADLINE, what, async || Ok(condition().then_some(()))).await;
        assert!(reached.is_ok(), "{what}: not within {DEADLINE:?}; the sessions:\n{:#?}", self.sessions());
    }

    /// Waits until no connection is open.
    ///
    /// # Panics
    /// Panics if a connection is still open after 30 s.
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
