//! The connections that are open, and which servers take any.
//!
//! A connection is taken out, used, and put back only after a complete transaction; it is
//! reset before it is used again. A server that cannot be reached, or does not want us,
//! is left alone for a while (circuit breaker) and tried again by [`Pool::watch`], not at
//! the cost of a mail.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use service_kit::{CheckState, Health};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    backoff::{chance, doubling},
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
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(10);
/// One mail that the server refuses for reasons of its own is not yet a closed door.
const REFUSALS_IN_A_ROW: u32 = 3;
const LONGEST_REFUSAL: Duration = Duration::from_secs(60);
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

/// Whether a server is tried.
#[derive(Debug, Default)]
struct Breaker {
    /// Left alone until then.
    tripped_until: Option<Instant>,
    /// Connections that failed, in a row.
    failures: u32,
    /// Mails refused for no fault of theirs, in a row.
    refusals: u32,
    /// The last sign of life.
    seen: Option<Instant>,
}

/// A connection from the pool, and which server it goes to.
pub struct Checkout {
    pub connection: Connection,
    pub server: ServerId,
}

/// Names a server of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerId(usize);

/// No server takes connections now.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no mail server takes connections: {0}")]
pub struct Unavailable(String);

impl Breaker {
    fn lets_through(&self) -> bool {
        self.tripped_until.is_none()
    }

    /// A connection was made.
    fn connected(&mut self, now: Instant) {
        self.failures = 0;
        self.tripped_until = None;
        self.seen = Some(now);
    }

    fn failed(&mut self, now: Instant, chance: f64) {
        self.failures = self.failures.saturating_add(1);
        self.seen = None;
        self.tripped_until = Some(now + doubling(self.failures, FIRST_RETRY, LAST_RETRY, chance));
    }

    /// The server refused us, in the transaction of a mail; `sure`: at MAIL, where nothing
    /// of the mail but its sender is known.
    fn refused(&mut self, sure: bool, now: Instant, chance: f64) {
        self.refusals = self.refusals.saturating_add(1);
        if sure || self.refusals >= REFUSALS_IN_A_ROW {
            self.tripped_until = Some(now + doubling(self.refusals, FIRST_RETRY, LONGEST_REFUSAL, chance));
        }
    }
}

impl Pool {
    #[must_use]
    pub fn new(endpoints: Vec<Endpoint>, health: Health, metrics: Metrics) -> Self {
        let slots = endpoints
            .into_iter()
            .map(|endpoint| Slot { name: endpoint.server.to_string(), endpoint, state: Mutex::default() })
            .collect();
        Self(Arc::new(Inner { slots, health, metrics, usable: Notify::new() }))
    }

    /// A connection that is ready for MAIL, to the first server that takes one.
    ///
    /// # Errors
    /// [`Unavailable`], if none does.
    pub async fn checkout(&self) -> Result<Checkout, Unavailable> {
        let mut problem = "all were tried a moment ago".to_owned();
        for (index, slot) in self.0.slots.iter().enumerate() {
            if !slot.state.lock().breaker.lets_through() {
                continue;
            }
            match self.connection_to(slot).await {
                Ok(connection) => return Ok(Checkout { connection, server: ServerId(index) }),
                Err(error) => problem = error.to_string(),
            }
        }
        Err(Unavailable(problem))
    }

    /// After a complete transaction.
    pub fn put_back(&self, checkout: Checkout) {
        let slot = &self.0.slots[checkout.server.0];
        let now = Instant::now();
        let mut state = slot.state.lock();
        state.breaker.seen = Some(now);
        state.idle.push(Idle { connection: checkout.connection, since: now });
    }

    /// A mail was accepted: whatever the server refused before was not about us.
    pub fn accepted(&self, server: ServerId) {
        self.0.slots[server.0].state.lock().breaker.refusals = 0;
    }

    /// The server refused us, in the transaction of a mail that is not at fault; `sure` as
    /// said at MAIL.
    pub fn refused(&self, server: ServerId, sure: bool) {
        let slot = &self.0.slots[server.0];
        let mut state = slot.state.lock();
        state.breaker.refused(sure, Instant::now(), chance());
        if !state.breaker.lets_through() {
            state.idle.clear();
            drop(state);
            tracing::warn!(server = %slot.name, "the mail server refuses us: it is left alone for a while");
            self.0.metrics.server_up(&slot.name, false);
            self.report();
        }
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
        match breaker.tripped_until {
            Some(until) => until <= now,
            None => {
                let unheard = breaker.seen.is_none_or(|seen| now.duration_since(seen) >= PROBE_EVERY);
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
        let up = self.first_usable().is_some_and(|index| self.0.slots[index].state.lock().breaker.seen.is_some());
        self.0.health.set(CHECK, if up { CheckState::Ok } else { CheckState::Down });
        if up {
            self.0.usable.notify_waiters();
        }
    }

    fn first_usable(&self) -> Option<usize> {
        self.0.slots.iter().position(|slot| slot.state.lock().breaker.lets_through())
    }
}

impl Slot {
    /// The server answered, or did not take a connection; true if that is news.
    fn heard(&self, answers: bool) -> bool {
        let mut state = self.state.lock();
        let before = (state.breaker.lets_through(), state.breaker.seen.is_some());
        if answers {
            state.breaker.connected(Instant::now());
        } else {
            state.breaker.failed(Instant::now(), chance());
        }
        before != (state.breaker.lets_through(), state.breaker.seen.is_some())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_cannot_be_reached_is_left_alone_for_longer_and_longer() {
        let mut breaker = Breaker::default();
        let now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..8 {
            breaker.failed(now, 0.0);
            waits.push(breaker.tripped_until.unwrap() - now);
        }
        assert_eq!(waits[0], FIRST_RETRY);
        assert!(waits.is_sorted());
        assert_eq!(waits.last(), Some(&LAST_RETRY));
        breaker.connected(now);
        assert!(breaker.lets_through());
        breaker.failed(now, 0.0);
        assert_eq!(breaker.tripped_until.unwrap() - now, FIRST_RETRY);
    }

    #[test]
    fn one_refused_mail_closes_no_door_but_several_in_a_row_or_a_sure_one_do() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        breaker.refused(false, now, 0.0);
        breaker.refused(false, now, 0.0);
        assert!(breaker.lets_through());
        breaker.refused(false, now, 0.0);
        assert!(!breaker.lets_through());

        let mut breaker = Breaker::default();
        breaker.refused(true, now, 0.0);
        assert!(!breaker.lets_through());
    }

    #[test]
    fn a_connection_alone_does_not_make_refusals_forgotten() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        breaker.refused(true, now, 0.0);
        breaker.connected(now);
        breaker.refused(true, now, 0.0);
        assert_eq!(breaker.tripped_until.unwrap() - now, FIRST_RETRY * 2);
    }
}
