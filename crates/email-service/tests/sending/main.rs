//! Ledger and fence with a real MongoDB and a scripted SMTP server.

#![expect(clippy::disallowed_methods, reason = "a test waits for its own tasks")]
#![expect(clippy::unwrap_used, reason = "what a test's helper cannot have fails the test")]

mod claimed_inserts;
mod delivery;
mod fence;
mod ledger;
mod lost_claims;
mod many_senders;
mod operator_actions;
mod servers;
mod setup;
mod suppressions;
