//! Judges what was recorded of a run: what clients asked and were answered, the whole
//! topic, the collections, and everything that the SMTP server saw. No I/O: whoever ran
//! the system fills a [`History`], and [`check`] says which promises it kept.
//!
//! It knows the contract from `docs/EVENTS.md` and the `events` crate, and nothing of the
//! services' code: a mistake that a service and its judge share would be found by neither.

#![warn(missing_docs)]

mod evidence;
mod expected_events;
mod expected_mails;
mod history;
mod promises;
mod report;
mod topic_events;

pub use history::*;
pub use promises::Promise;
pub use report::{Report, Violation};

/// Judges a history by every promise.
#[must_use]
pub fn check(history: &History) -> Report {
    Report::of(promises::ALL.iter().map(|promise| (*promise, promise.violations(history))))
}
