//! The pool of open connections, and the availability of the servers.
//!
//! A connection is checked out, used, and returned only after a complete transaction; it is reset
//! before it is used again. A server that is unreachable, refuses us, or breaks the connection mail
//! after mail is paused for a while (its [`Breaker`]) and probed by [`Pool::watch`], not at the
//! cost of a mail. Mails go to the first server of the list that is not paused, so they return to
//! it as soon as it works again.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use parking_lot::Mutex;
use service_kit::{Check, CheckState, backoff::random_fraction};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    breaker::Breaker,
    connection::{Connection, ConnectionBroken},
    endpoint::Endpoint,
};
use crate::metrics::Metrics;

/// The maximum idle time of a connection. Servers close idle connections after minutes; a
/// connection that is still open is checked with RSET before it is used.
const IDLE_LIMIT: Duration = Duration::from_secs(30);
/// The maximum age of a connection. Some servers limit the number of RSETs, and all of them accept
/// a new connection every few minutes.
const LIFETIME: Duration = Duration::from_secs(5 * 60);
/// The interval at which the first server in use is probed if no mail shows its state.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// The interval of the watch.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// The pool. Clones share it.
#[derive(Clone)]
pub struct Pool(Arc<PoolState>);

struct PoolState {
    slots: Vec<ServerSlot>,
    check: Check,
    metrics: Metrics,
    /// Signalled when a server accepts connections again.
    usable: Notify,
}

struct ServerSlot {
    endpoint: Endpoint,
    name: String,
    state: Mutex<ServerState>,
}

#[derive(Default)]
struct ServerState {
    idle: Vec<IdleConnection>,
    breaker: Breaker,
}

struct IdleConnection {
    connection: Connection,
    since: Instant,
}

/// A connection from the pool, and the permit to use its server.
pub struct Checkout {
    pub connection: Connection,
    pub permit: ServerPermit,
}

/// The permit to send one mail to a server. It reports the result to the server's breaker; a permit
/// that is dropped without a report changes nothing.
pub struct ServerPermit {
    pool: Pool,
    server: ServerId,
    on_trial: bool,
}

/// Identifies a server of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerId(usize);

/// No server accepts connections now.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no mail server accepts connections: {0}")]
pub struct NoServerAvailable(String);

impl Pool {
    #[must_use]
    pub fn new(endpoints: Vec<Endpoint>, check: Check, metrics: Metrics) -> Self {
        let slots = endpoints
            .into_iter()
            .map(|endpoint| ServerSlot { name: endpoint.server.to_string(), endpoint, state: Mutex::default() })
            .collect();
        Self(Arc::new(PoolState { slots, check, metrics, usable: Notify::new() }))
    }

    /// Returns the number of servers in the list.
    #[must_use]
    pub fn server_count(&self) -> usize {
        self.0.slots.len()
    }

    /// Returns a connection that is ready for MAIL, to the first available server that is not in
    /// `excluded`.
    ///
    /// # Errors
    /// Returns [`NoServerAvailable`] if there is none.
    pub async fn checkout(&self, excluded: &[ServerId]) -> Result<Checkout, NoServerAvailable> {
        let mut problem = "all were tried recently".to_owned();
        for (index, slot) in self.0.slots.iter().enumerate() {
            let server = ServerId(index);
            let Some(permit) = (!excluded.contains(&server)).then(|| self.try_permit(server)).flatten() else {
                continue;
            };
            match self.reuse_or_connect(slot).await {
                Ok(connection) => return Ok(Checkout { connection, permit }),
                Err(error) => problem = error.to_string(),
            }
        }
        Err(NoServerAvailable(problem))
    }

    fn try_permit(&self, server: ServerId) -> Option<ServerPermit> {
        let mut state = self.0.slots[server.0].state.lock();
        state.breaker.allows_mail().then(|| ServerPermit {
            pool: self.clone(),
            server,
            on_trial: state.breaker.start_mail(),
        })
    }

    /// Waits until a server may accept connections.
    pub async fn wait_until_available(&self) {
        loop {
            let notified = self.0.usable.notified();
            if self.first_usable().is_some() {
                return;
            }
            notified.await;
        }
    }

    /// Returns whether the server that gets the next mail is up, and gets several mails at once.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.first_usable().is_some_and(|index| self.0.slots[index].state.lock().breaker.is_trusted())
    }

    /// Closes connections that are idle for too long, and probes servers of unknown state, until
    /// `stop`.
    pub async fn watch(&self, stop: CancellationToken) {
        let watches = (0..self.0.slots.len()).map(|index| self.watch_server(index));
        stop.run_until_cancelled(join_all(watches)).await;
    }

    async fn watch_server(&self, index: usize) {
        let slot = &self.0.slots[index];
        loop {
            let now = Instant::now();
            join_all(slot.take_stale(now).into_iter().map(Connection::quit)).await;
            if self.needs_probe(index, now)
                && let Ok(connection) = self.reuse_or_connect(slot).await
            {
                slot.state.lock().idle.push(IdleConnection { connection, since: Instant::now() });
            }
            sleep(WATCH_INTERVAL).await;
        }
    }

    fn needs_probe(&self, index: usize, now: Instant) -> bool {
        let state = self.0.slots[index].state.lock();
        let breaker = &state.breaker;
        match breaker.tripped_until() {
            Some(until) => until <= now,
            None => {
                let is_silent = breaker.last_seen().is_none_or(|seen| now.duration_since(seen) >= PROBE_INTERVAL);
                drop(state);
                is_silent && self.first_usable() == Some(index)
            }
        }
    }

    /// Returns an idle connection that answers RSET, or a new one.
    async fn reuse_or_connect(&self, slot: &ServerSlot) -> Result<Connection, ConnectionBroken> {
        while let Some(connection) = slot.take_idle(Instant::now()) {
            if let Ok(connection) = connection.reset().await {
                // The answer closes the breaker, as a new connection does.
                if slot.record_contact(true) {
                    tracing::info!(server = %slot.name, "the mail server answers");
                    self.publish_health();
                }
                return Ok(connection);
            }
        }
        let connected = slot.endpoint.connect().await;
        let changed = slot.record_contact(connected.is_ok());
        self.0.metrics.count_connection(&slot.name, connected.is_ok());
        self.0.metrics.set_server_up(&slot.name, connected.is_ok());
        match &connected {
            Ok(_) if changed => tracing::info!(server = %slot.name, "the mail server accepts connections"),
            Err(error) if changed => {
                tracing::warn!(server = %slot.name, %error, "the mail server does not accept connections");
            }
            Err(error) => {
                tracing::debug!(server = %slot.name, %error, "the mail server still does not accept connections");
            }
            Ok(_) => {}
        }
        self.publish_health();
        connected
    }

    fn publish_health(&self) {
        let up = self.0.slots.iter().any(|slot| slot.state.lock().breaker.is_up());
        self.0.check.set(if up { CheckState::Ok } else { CheckState::Down });
        if self.first_usable().is_some() {
            self.0.usable.notify_waiters();
        }
    }

    fn first_usable(&self) -> Option<usize> {
        self.0.slots.iter().position(|slot| slot.state.lock().breaker.allows_mail())
    }
}

impl ServerPermit {
    /// Returns the server.
    #[must_use]
    pub fn server(&self) -> ServerId {
        self.server
    }

    /// Returns a connection that was not used.
    pub fn return_unused(&self, connection: Connection) {
        self.slot().state.lock().idle.push(IdleConnection { connection, since: Instant::now() });
    }

    /// Returns the connection after a complete transaction, whatever the reply to the mail.
    pub fn return_connection(&self, connection: Connection) {
        let now = Instant::now();
        let mut state = self.slot().state.lock();
        state.breaker.answered(now);
        state.idle.push(IdleConnection { connection, since: now });
    }

    /// Reports that the mail was accepted.
    pub fn report_accepted(&self) {
        self.slot().state.lock().breaker.accepted();
    }

    /// Reports that the server refused us, not because of the mail. `about_server`: at MAIL.
    pub fn report_refused(&self, mail: &str, about_server: bool) {
        let tripped = self.slot().state.lock().breaker.refused(mail, about_server, Instant::now(), random_fraction());
        self.report_tripped(tripped, "the mail server refuses this service: it is paused");
    }

    /// Reports that the connection broke, or no answer came in time.
    pub fn report_broken(&self, mail: &str) {
        let tripped = self.slot().state.lock().breaker.broke(mail, Instant::now(), random_fraction());
        self.report_tripped(tripped, "the mail server breaks the connection repeatedly: it is paused");
    }

    fn report_tripped(&self, tripped: bool, why: &'static str) {
        if tripped {
            let slot = self.slot();
            slot.state.lock().idle.clear();
            tracing::warn!(server = %slot.name, "{why}");
            self.pool.0.metrics.set_server_up(&slot.name, false);
            self.pool.publish_health();
        }
    }

    fn slot(&self) -> &ServerSlot {
        &self.pool.0.slots[self.server.0]
    }
}

impl Drop for ServerPermit {
    fn drop(&mut self) {
        if self.on_trial {
            self.slot().state.lock().breaker.end_trial();
            self.pool.publish_health();
        }
    }
}

impl ServerSlot {
    /// Records whether the server answered. Returns true if its availability changed.
    fn record_contact(&self, answered: bool) -> bool {
        let mut state = self.state.lock();
        let before = (state.breaker.allows_mail(), state.breaker.last_seen().is_some());
        if answered {
            state.breaker.connected(Instant::now());
        } else {
            state.breaker.failed(Instant::now(), random_fraction());
        }
        before != (state.breaker.allows_mail(), state.breaker.last_seen().is_some())
    }

    /// Takes the usable connection that was used last: the others may grow old, and the watch closes them.
    fn take_idle(&self, now: Instant) -> Option<Connection> {
        let mut state = self.state.lock();
        let newest = state.idle.iter().rposition(|idle| !idle.is_stale(now))?;
        Some(state.idle.remove(newest).connection)
    }

    fn take_stale(&self, now: Instant) -> Vec<Connection> {
        let mut state = self.state.lock();
        state.idle.extract_if(.., |idle| idle.is_stale(now)).map(|idle| idle.connection).collect()
    }
}

impl IdleConnection {
    fn is_stale(&self, now: Instant) -> bool {
        now.duration_since(self.since) > IDLE_LIMIT || now.duration_since(self.connection.opened) > LIFETIME
    }
}
