//! The connections that are open, and which servers take any.
//!
//! A connection is taken out, used, and put back only after a complete transaction; it is
//! reset before it is used again. A server that cannot be reached, does not want us, or
//! breaks off mail after mail is left alone for a while (its [`Breaker`]) and tried again
//! by [`Pool::watch`], not at the cost of a mail. Mails go to the first server of the list
//! that is not left alone, so they go back to it as soon as it is well.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use service_kit::{CheckState, Health, backoff::random_fraction};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    breaker::Breaker,
    connection::{ConnectError, Connection, Endpoint},
};
use crate::metrics::Metrics;

/// Servers close what is idle after minutes; a connection that is still there is tried
/// with RSET.
const IDLE_LIMIT: Duration = Duration::from_secs(30);
/// Some servers count RSETs; none minds a new connection every few minutes.
const LIFETIME: Duration = Duration::from_secs(5 * 60);
/// The first server in use is asked this often when no mail tells how it is.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// How often the watch looks around.
const TICK: Duration = Duration::from_millis(250);
/// The check in `/readyz`.
const CHECK: &str = "smtp";

/// The pool. Clones share it.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    slots: Vec<Slot>,
    health: Health,
    metrics: Metrics,
    /// Signalled whenever a server takes connections again.
    usable: Notify,
}

struct Slot {
    endpoint: Endpoint,
    name: String,
    state: Mutex<SlotState>,
}

#[derive(Default)]
struct SlotState {
    idle: Vec<Idle>,
    breaker: Breaker,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection from the pool, and the turn that it was taken for.
pub struct Checkout {
    pub connection: Connection,
    pub turn: Turn,
}

/// One mail's turn with a server. What the server made of it is said here; a turn that is
/// dropped without a word says nothing about the server.
pub struct Turn {
    pool: Pool,
    server: ServerId,
    on_trial: bool,
}

/// Names a server of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerId(usize);

/// No server takes connections now.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no mail server takes connections: {0}")]
pub struct Unavailable(String);

impl Pool {
    #[must_use]
    pub fn new(endpoints: Vec<Endpoint>, health: Health, metrics: Metrics) -> Self {
        let slots = endpoints
            .into_iter()
            .map(|endpoint| Slot { name: endpoint.server.to_string(), endpoint, state: Mutex::default() })
            .collect();
        Self(Arc::new(Inner { slots, health, metrics, usable: Notify::new() }))
    }

    /// How many servers are in the list.
    #[must_use]
    pub fn servers(&self) -> usize {
        self.0.slots.len()
    }

    /// A connection that is ready for MAIL, to the first server that takes one and is none
    /// of `but`.
    ///
    /// # Errors
    /// [`Unavailable`], if none does.
    pub async fn checkout(&self, but: &[ServerId]) -> Result<Checkout, Unavailable> {
        let mut problem = "all were tried a moment ago".to_owned();
        for (index, slot) in self.0.slots.iter().enumerate() {
            let server = ServerId(index);
            let Some(turn) = (!but.contains(&server)).then(|| self.turn(server)).flatten() else { continue };
            match self.connection_to(slot).await {
                Ok(connection) => return Ok(Checkout { connection, turn }),
                Err(error) => problem = error.to_string(),
            }
        }
        Err(Unavailable(problem))
    }

    fn turn(&self, server: ServerId) -> Option<Turn> {
        let mut state = self.0.slots[server.0].state.lock();
        state.breaker.lets_through().then(|| Turn { pool: self.clone(), server, on_trial: state.breaker.give() })
    }

    /// Waits until a server takes connections, or may.
    pub async fn available(&self) {
        loop {
            let opened = self.0.usable.notified();
            if self.first_usable().is_some() {
                return;
            }
            opened.await;
        }
    }

    /// Closes what is idle for too long, and asks servers that nobody hears of how they
    /// are, until `stop`.
    pub async fn watch(&self, stop: CancellationToken) {
        let watches = (0..self.0.slots.len()).map(|index| self.watch_server(index));
        tokio::select! {
            () = stop.cancelled() => {}
            _ = futures_util::future::join_all(watches) => {}
        }
    }

    async fn watch_server(&self, index: usize) {
        let slot = &self.0.slots[index];
        loop {
            let now = Instant::now();
            slot.drop_idle(now);
            if self.wants_probe(index, now)
                && let Ok(connection) = self.connection_to(slot).await
            {
                slot.state.lock().idle.push(Idle { connection, since: Instant::now() });
            }
            sleep(TICK).await;
        }
    }

    fn wants_probe(&self, index: usize, now: Instant) -> bool {
        let state = self.0.slots[index].state.lock();
        let breaker = &state.breaker;
        match breaker.tripped_until() {
            Some(until) => until <= now,
            None => {
                let unheard = breaker.seen().is_none_or(|seen| now.duration_since(seen) >= PROBE_EVERY);
                drop(state);
                unheard && self.first_usable() == Some(index)
            }
        }
    }

    /// An idle connection that answers RSET, or a new one.
    async fn connection_to(&self, slot: &Slot) -> Result<Connection, ConnectError> {
        while let Some(connection) = slot.take_idle(Instant::now()) {
            if let Ok(connection) = connection.reset().await {
                // As good a sign of life as a new connection: it closes the breaker too.
                if slot.heard(true) {
                    tracing::info!(server = %slot.name, "the mail server answers");
                    self.report();
                }
                return Ok(connection);
            }
        }
        let connected = slot.endpoint.connect().await;
        let changed = slot.heard(connected.is_ok());
        self.0.metrics.connection(&slot.name, connected.is_ok());
        self.0.metrics.server_up(&slot.name, connected.is_ok());
        match &connected {
            Ok(_) if changed => tracing::info!(server = %slot.name, "the mail server takes connections"),
            Err(error) if changed => {
                tracing::warn!(server = %slot.name, %error, "the mail server takes no connections");
            }
            Err(error) => tracing::debug!(server = %slot.name, %error, "the mail server still takes no connections"),
            Ok(_) => {}
        }
        self.report();
        connected
    }

    fn report(&self) {
        let up = self.0.slots.iter().any(|slot| slot.state.lock().breaker.takes_connections());
        self.0.health.set(CHECK, if up { CheckState::Ok } else { CheckState::Down });
        if self.first_usable().is_some() {
            self.0.usable.notify_waiters();
        }
    }

    fn first_usable(&self) -> Option<usize> {
        self.0.slots.iter().position(|slot| slot.state.lock().breaker.lets_through())
    }
}

impl Turn {
    /// Which server it is with.
    #[must_use]
    pub fn server(&self) -> ServerId {
        self.server
    }

    /// The connection was not used.
    pub fn unused(&self, connection: Connection) {
        self.slot().state.lock().idle.push(Idle { connection, since: Instant::now() });
    }

    /// After a complete transaction, whatever was said of the mail.
    pub fn put_back(&self, connection: Connection) {
        let now = Instant::now();
        let mut state = self.slot().state.lock();
        state.breaker.answered(now);
        state.idle.push(Idle { connection, since: now });
    }

    /// The mail was accepted.
    pub fn accepted(&self) {
        self.slot().state.lock().breaker.accepted();
    }

    /// The server refused us, and the mail is not at fault; `sure` as said at MAIL.
    pub fn refused(&self, mail: &str, sure: bool) {
        let tripped = self.slot().state.lock().breaker.refused(mail, sure, Instant::now(), random_fraction());
        self.leave_alone(tripped, "the mail server refuses us: it is left alone for a while");
    }

    /// The connection broke, or no answer came in time.
    pub fn broke(&self, mail: &str) {
        let tripped = self.slot().state.lock().breaker.broke(mail, Instant::now(), random_fraction());
        self.leave_alone(tripped, "the mail server breaks off mail after mail: it is left alone for a while");
    }

    fn leave_alone(&self, tripped: bool, why: &'static str) {
        if tripped {
            let slot = self.slot();
            slot.state.lock().idle.clear();
            tracing::warn!(server = %slot.name, "{why}");
            self.pool.0.metrics.server_up(&slot.name, false);
            self.pool.report();
        }
    }

    fn slot(&self) -> &Slot {
        &self.pool.0.slots[self.server.0]
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.on_trial {
            self.slot().state.lock().breaker.tried();
            self.pool.report();
        }
    }
}

impl Slot {
    /// The server answered, or did not take a connection; true if that is news.
    fn heard(&self, answers: bool) -> bool {
        let mut state = self.state.lock();
        let before = (state.breaker.lets_through(), state.breaker.seen().is_some());
        if answers {
            state.breaker.connected(Instant::now());
        } else {
            state.breaker.failed(Instant::now(), random_fraction());
        }
        before != (state.breaker.lets_through(), state.breaker.seen().is_some())
    }

    fn take_idle(&self, now: Instant) -> Option<Connection> {
        self.drop_idle(now);
        // The one that was used last: the others may grow old and go.
        self.state.lock().idle.pop().map(|idle| idle.connection)
    }

    fn drop_idle(&self, now: Instant) {
        let stale: Vec<Idle> = {
            let mut state = self.state.lock();
            let is_stale = |idle: &mut Idle| {
                now.duration_since(idle.since) > IDLE_LIMIT || now.duration_since(idle.connection.opened) > LIFETIME
            };
            state.idle.extract_if(.., is_stale).collect()
        };
        for idle in stale {
            tokio::spawn(idle.connection.quit());
        }
    }
}
