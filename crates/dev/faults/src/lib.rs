//! The library of the fault tests: clients that record their requests and responses, and the collection of all
//! other parts of a [`checker::History`].
//!
//! A fault test creates a [`FaultRun`], injects faults while its [`Client`]s work, heals them, and calls
//! [`assert_promises_kept`].

pub mod checker;

mod client;
mod collect_history;
mod fault_run;
mod recorder;

use std::time::Duration;

pub use client::Client;
pub use collect_history::collect_history;
pub use fault_run::{FaultRun, try_wait_until_idle, wait_until_idle};
pub use recorder::Recorder;

/// Waits until the run is idle, collects its history, checks it and returns it.
///
/// # Panics
/// Panics when the run is not idle at the deadline, or with the report when a promise was broken.
pub async fn assert_promises_kept(run: &FaultRun, within: Duration) -> checker::History {
    wait_until_idle(run, within).await;
    let history = collect_history(run).await;
    checker::check(&history).assert();
    history
}
