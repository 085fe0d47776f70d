//! Judges the recorded history of a run: requests and responses, the whole topic, the collections, and what the
//! SMTP server saw. The checker does no I/O: the caller fills a [`History`], and [`check`] reports which promises
//! it kept.
//!
//! The checker knows the contract from `docs/EVENTS.md` and the `events` crate, and nothing of the services'
//! code. Otherwise it would not detect a mistake that it shares with a service.

#![warn(missing_docs)]

mod evidence;
mod expected_events;
mod expected_mails;
mod history;
mod promises;
mod recovery;
mod report;
mod topic_events;

pub use history::*;
pub use promises::Promise;
pub use recovery::{Goal, Recovery, RecoveryReport, measure_recovery, seconds};
pub use report::{Report, Violation};

/// Checks a history against every promise.
#[must_use]
pub fn check(history: &History) -> Report {
    Report::from_violations(promises::ALL.iter().map(|promise| (*promise, promise.violations(history))))
}
