//! Whether a server is tried: its circuit breaker. Values in, values out.
//!
//! ```text
//!            it takes no connection ──▶ left alone ──── a connection ───▶ closed
//! closed ──▶                             for longer and longer
//!            it refuses us, or breaks off ─▶ left alone ─ a connection ─▶ on probation
//!            mail after mail                     ▲                           │ one mail
//!                                                └───────── again ◀──────────┤ at a time
//!                                                           closed ◀── well ─┘
//! ```
//!
//! A server that takes connections and then spoils mails is the more harmful one: each try
//! costs a mail its attempt, or behind the fence leaves it unknown. So after such a pause
//! it gets one mail at a time until one went well.

use std::time::Duration;

use tokio::time::Instant;

use super::backoff::doubling;

pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Connections cost nobody a mail: they are tried this often at least.
pub(super) const LONGEST_CONNECT_PAUSE: Duration = Duration::from_secs(10);
/// Mails do.
pub(super) const LONGEST_MAIL_PAUSE: Duration = Duration::from_secs(60);
/// One mail that goes wrong says nothing about the server.
const STRIKES_TO_TRIP: u32 = 3;

/// The breaker of one server.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Left alone until then.
    tripped_until: Option<Instant>,
    /// Connections that failed, in a row.
    failures: u32,
    /// Mails refused for no fault of theirs, in a row.
    refusals: Strikes,
    /// Transactions in which the connection broke or the server fell silent, in a row.
    breaks: Strikes,
    /// On probation one mail is under way.
    on_trial: bool,
    /// The last sign of life.
    last_seen: Option<Instant>,
}

/// What went wrong in a row, and how often that opened the breaker.
#[derive(Debug, Default)]
struct Strikes {
    count: u32,
    trips: u32,
    /// The mail that the last one was about.
    last_mail: String,
}

impl Strikes {
    /// One more. The pause, if it is one too many. The same mail again says nothing about
    /// the server: it would delay everybody else's by what is wrong with itself (I6).
    fn strike(&mut self, mail: &str, about_server: bool, chance: f64) -> Option<Duration> {
        if !about_server && self.last_mail == mail {
            return None;
        }
        mail.clone_into(&mut self.last_mail);
        self.count = self.count.saturating_add(1);
        if !about_server && self.count < STRIKES_TO_TRIP {
            return None;
        }
        self.trips = self.trips.saturating_add(1);
        Some(doubling(self.trips, FIRST_PAUSE, LONGEST_MAIL_PAUSE, chance))
    }
}

impl Breaker {
    /// Whether the server may be given a mail now.
    pub(super) fn allows_mail(&self) -> bool {
        self.tripped_until.is_none() && !(self.on_probation() && self.on_trial)
    }

    /// Whether it took one when it was last asked, and is not left alone.
    pub(super) fn is_up(&self) -> bool {
        self.tripped_until.is_none() && self.last_seen.is_some()
    }

    /// When the server is to be asked again how it is.
    pub(super) fn tripped_until(&self) -> Option<Instant> {
        self.tripped_until
    }

    pub(super) fn last_seen(&self) -> Option<Instant> {
        self.last_seen
    }

    fn on_probation(&self) -> bool {
        self.refusals.trips + self.breaks.trips > 0
    }

    /// A mail is given to it. True if that is the one on trial: until [`Breaker::end_trial`]
    /// there is no other.
    pub(super) fn start_mail(&mut self) -> bool {
        self.on_trial |= self.on_probation();
        self.on_trial
    }

    /// The mail on trial is through, one way or another.
    pub(super) fn end_trial(&mut self) {
        self.on_trial = false;
    }

    /// A connection was made, or answered.
    pub(super) fn connected(&mut self, now: Instant) {
        self.failures = 0;
        self.tripped_until = None;
        self.last_seen = Some(now);
    }

    /// No connection was made.
    pub(super) fn failed(&mut self, now: Instant, chance: f64) {
        self.failures = self.failures.saturating_add(1);
        self.last_seen = None;
        self.tripped_until = Some(now + doubling(self.failures, FIRST_PAUSE, LONGEST_CONNECT_PAUSE, chance));
    }

    /// A transaction went as it should, whatever was said of its mail.
    pub(super) fn answered(&mut self, now: Instant) {
        self.breaks = Strikes::default();
        self.last_seen = Some(now);
    }

    /// A mail was accepted: whatever the server refused before was not about us.
    pub(super) fn accepted(&mut self) {
        self.refusals = Strikes::default();
    }

    /// The server refused us, in the transaction of a mail; `about_server`: at MAIL, where nothing
    /// of the mail but its sender is known. True if it is left alone now.
    pub(super) fn refused(&mut self, mail: &str, about_server: bool, now: Instant, chance: f64) -> bool {
        self.breaks = Strikes::default();
        let pause = (self.tripped_until.is_none()).then(|| self.refusals.strike(mail, about_server, chance)).flatten();
        self.open_for(pause, now)
    }

    /// The connection broke in the transaction of a mail, or no answer came. True if the
    /// server is left alone now.
    pub(super) fn broke(&mut self, mail: &str, now: Instant, chance: f64) -> bool {
        // What was under way when the breaker opened says nothing new.
        let pause = (self.tripped_until.is_none()).then(|| self.breaks.strike(mail, false, chance)).flatten();
        self.open_for(pause, now)
    }

    fn open_for(&mut self, pause: Option<Duration>, now: Instant) -> bool {
        if let Some(pause) = pause {
            self.tripped_until = Some(now + pause);
        }
        pause.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(breaker: &Breaker, now: Instant) -> Duration {
        breaker.tripped_until.unwrap() - now
    }

    #[test]
    fn an_unreachable_server_is_paused_with_growing_delays() {
        let mut breaker = Breaker::default();
        let now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..8 {
            breaker.failed(now, 0.0);
            waits.push(pause(&breaker, now));
        }
        assert_eq!(waits[0], FIRST_PAUSE);
        assert!(waits.is_sorted());
        assert_eq!(waits.last(), Some(&LONGEST_CONNECT_PAUSE));
        breaker.connected(now);
        assert!(breaker.allows_mail() && !breaker.start_mail(), "no probation");
        breaker.failed(now, 0.0);
        assert_eq!(pause(&breaker, now), FIRST_PAUSE);
    }

    #[test]
    fn one_refused_mail_does_not_trip_the_breaker_but_three_or_one_at_mail_do() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        assert!(!breaker.refused("a", false, now, 0.0));
        assert!(!breaker.refused("b", false, now, 0.0));
        assert!(breaker.allows_mail());
        assert!(breaker.refused("c", false, now, 0.0));
        assert!(!breaker.allows_mail());

        let mut breaker = Breaker::default();
        assert!(breaker.refused("a", true, now, 0.0));
        assert!(!breaker.allows_mail());
    }

    #[test]
    fn a_new_connection_alone_does_not_reset_the_refusals() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        breaker.refused("a", true, now, 0.0);
        breaker.connected(now);
        breaker.refused("a", true, now, 0.0);
        assert_eq!(pause(&breaker, now), FIRST_PAUSE * 2);
    }

    #[test]
    fn broken_transactions_in_a_row_trip_the_breaker_and_one_success_resets_it() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            assert!(!breaker.broke("a", now, 0.0));
            assert!(!breaker.broke("b", now, 0.0));
            breaker.answered(now);
        }
        assert!(!breaker.broke("a", now, 0.0) && !breaker.broke("b", now, 0.0));
        assert!(breaker.broke("c", now, 0.0));
        // The others that were under way.
        assert!(!breaker.broke("d", now, 0.0));
        assert_eq!(pause(&breaker, now), FIRST_PAUSE);
    }

    #[test]
    fn one_mail_that_breaks_every_transaction_does_not_trip_the_breaker() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..50 {
            assert!(!breaker.broke("bad", now, 0.0));
            assert!(!breaker.refused("bad", false, now, 0.0));
        }
        assert!(breaker.allows_mail());
    }

    #[test]
    fn on_probation_one_mail_is_sent_at_a_time_until_one_succeeds() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for mail in ["a", "b", "c"] {
            assert!(!breaker.start_mail());
            breaker.broke(mail, now, 0.0);
        }
        breaker.connected(now);
        assert!(breaker.allows_mail());
        assert!(breaker.start_mail(), "the mail on trial");
        assert!(!breaker.allows_mail(), "no other meanwhile");
        assert!(breaker.broke("d", now, 0.0), "one is enough now");
        breaker.end_trial();
        assert_eq!(pause(&breaker, now), FIRST_PAUSE * 2);
        breaker.connected(now);
        assert!(breaker.start_mail());
        breaker.answered(now);
        breaker.end_trial();
        assert!(breaker.allows_mail() && !breaker.start_mail(), "closed again");
    }

    #[test]
    fn a_trial_without_a_result_lets_the_next_mail_through() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        breaker.refused("a", true, now, 0.0);
        breaker.connected(now);
        assert!(breaker.start_mail());
        breaker.end_trial();
        assert!(breaker.allows_mail());
        assert!(breaker.start_mail());
        // Refused for its own sake: the server answers, and may still not want us.
        breaker.answered(now);
        breaker.end_trial();
        assert!(breaker.start_mail());
        breaker.accepted();
        breaker.end_trial();
        assert!(!breaker.start_mail());
    }
}
