//! The circuit breaker of a server: whether the server gets mails. Values in, values out.
//!
//! ```text
//!            accepts no connection ───▶ paused, each time ── a connection ──▶ closed
//! closed ──▶                             for longer
//!            refuses us, or breaks ───▶ paused ──── a connection ──▶ on probation
//!            the connection, mail           ▲                            │ one mail
//!            after mail                     └───────── fails again ◀─────┤ at a time
//!                                                      closed ◀── works ─┘
//! ```
//!
//! A server that accepts connections and then breaks transactions does more harm: each try
//! costs a mail an attempt, or leaves it `unknown` after the fence. So after such a pause the
//! server gets one mail at a time until one succeeds.

use std::time::Duration;

use service_kit::backoff::exponential;
use tokio::time::Instant;

pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between connections. They cost no mail an attempt.
pub(super) const LONGEST_CONNECT_PAUSE: Duration = Duration::from_secs(10);
/// The longest pause after failed mails, which do cost an attempt.
pub(super) const LONGEST_MAIL_PAUSE: Duration = Duration::from_secs(60);
/// The number of failures in a row that trips the breaker. A single failed mail says nothing about
/// the server.
const STRIKES_TO_TRIP: u32 = 3;

/// The breaker of one server.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// The server is paused until this time.
    tripped_until: Option<Instant>,
    /// The number of failed connections in a row.
    failures: u32,
    /// Refusals in a row that were not caused by the mails.
    refusals: Strikes,
    /// Transactions in a row in which the connection broke or the server did not answer.
    breaks: Strikes,
    /// Whether a mail is under way on probation.
    on_trial: bool,
    /// When the server last answered.
    last_seen: Option<Instant>,
}

/// Counts failures in a row, and how often they tripped the breaker.
#[derive(Debug, Default)]
struct Strikes {
    count: u32,
    trips: u32,
    /// The mail of the last failure.
    last_mail: String,
}

impl Strikes {
    /// Counts a failure, and returns the pause if the breaker trips. Another failure of the same
    /// mail says nothing about the server, and must not delay other mails (I6).
    fn strike(&mut self, mail: &str, about_server: bool, random: f64) -> Option<Duration> {
        if !about_server && self.last_mail == mail {
            return None;
        }
        mail.clone_into(&mut self.last_mail);
        self.count = self.count.saturating_add(1);
        if !about_server && self.count < STRIKES_TO_TRIP {
            return None;
        }
        self.trips = self.trips.saturating_add(1);
        Some(exponential(self.trips, FIRST_PAUSE, LONGEST_MAIL_PAUSE, random))
    }
}

impl Breaker {
    /// Returns whether the server may get a mail now.
    pub(super) fn allows_mail(&self) -> bool {
        self.tripped_until.is_none() && !(self.on_probation() && self.on_trial)
    }

    /// Returns whether the server accepted the last connection and is not paused.
    pub(super) fn is_up(&self) -> bool {
        self.tripped_until.is_none() && self.last_seen.is_some()
    }

    /// Returns whether the server is up and not on probation: it may get several mails at once.
    pub(super) fn is_trusted(&self) -> bool {
        self.is_up() && !self.on_probation()
    }

    /// Returns when the server is to be probed again.
    pub(super) fn tripped_until(&self) -> Option<Instant> {
        self.tripped_until
    }

    pub(super) fn last_seen(&self) -> Option<Instant> {
        self.last_seen
    }

    fn on_probation(&self) -> bool {
        self.refusals.trips + self.breaks.trips > 0
    }

    /// Records that the server gets a mail. Returns whether the mail is on trial: then no other is
    /// sent until [`Breaker::end_trial`].
    pub(super) fn start_mail(&mut self) -> bool {
        self.on_trial |= self.on_probation();
        self.on_trial
    }

    /// Ends the trial, whatever its result.
    pub(super) fn end_trial(&mut self) {
        self.on_trial = false;
    }

    /// Records that a connection was made, or answered.
    pub(super) fn connected(&mut self, now: Instant) {
        self.failures = 0;
        self.tripped_until = None;
        self.last_seen = Some(now);
    }

    /// Records that no connection was made.
    pub(super) fn failed(&mut self, now: Instant, random: f64) {
        self.failures = self.failures.saturating_add(1);
        self.last_seen = None;
        self.tripped_until = Some(now + exponential(self.failures, FIRST_PAUSE, LONGEST_CONNECT_PAUSE, random));
    }

    /// Records a complete transaction, whatever the reply to its mail.
    pub(super) fn answered(&mut self, now: Instant) {
        self.breaks = Strikes::default();
        self.last_seen = Some(now);
    }

    /// Records that a mail was accepted: earlier refusals were not about us.
    pub(super) fn accepted(&mut self) {
        self.refusals = Strikes::default();
    }

    /// Records that the server refused us in the transaction of a mail. `about_server`: the refusal
    /// came at MAIL, where only the sender's address is known. Returns whether the server is paused
    /// now.
    pub(super) fn refused(&mut self, mail: &str, about_server: bool, now: Instant, random: f64) -> bool {
        self.breaks = Strikes::default();
        let pause = (self.tripped_until.is_none()).then(|| self.refusals.strike(mail, about_server, random)).flatten();
        self.open_for(pause, now)
    }

    /// Records that the connection broke in the transaction of a mail, or no answer came. Returns
    /// whether the server is paused now.
    pub(super) fn broke(&mut self, mail: &str, now: Instant, random: f64) -> bool {
        // Transactions that were under way when the breaker tripped add nothing.
        let pause = (self.tripped_until.is_none()).then(|| self.breaks.strike(mail, false, random)).flatten();
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

    /// Returns a breaker with a new connection after a refusal.
    fn reconnected(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        breaker.refused("a", true, now, 0.0);
        breaker.connected(now);
        breaker
    }

    #[test]
    fn a_new_connection_alone_does_not_reset_the_refusals() {
        let now = Instant::now();
        let mut breaker = reconnected(now);
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
        // Other transactions that were under way.
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
        assert!(!breaker.allows_mail(), "no other mail during the trial");
        assert!(breaker.broke("d", now, 0.0), "one failure is enough on probation");
        breaker.end_trial();
        assert_eq!(pause(&breaker, now), FIRST_PAUSE * 2);
        breaker.connected(now);
        assert!(breaker.start_mail());
        breaker.answered(now);
        breaker.end_trial();
        assert!(breaker.allows_mail() && !breaker.start_mail(), "the breaker is closed again");
    }

    #[test]
    fn a_trial_without_a_result_lets_the_next_mail_through() {
        let now = Instant::now();
        let mut breaker = reconnected(now);
        assert!(breaker.start_mail());
        breaker.end_trial();
        assert!(breaker.allows_mail());
        assert!(breaker.start_mail());
        // Refused because of the mail itself: the server answers, and may still refuse us.
        breaker.answered(now);
        breaker.end_trial();
        assert!(breaker.start_mail());
        breaker.accepted();
        breaker.end_trial();
        assert!(!breaker.start_mail());
    }
}
