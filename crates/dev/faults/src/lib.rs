//! What the faults share: clients that write down what they asked and were answered, and
//! the collecting of everything else that a [`checker::History`] is made of.
//!
//! A fault test makes a [`FaultRun`], lets its [`Client`]s work while it does harm, heals, and
//! calls [`judge`].

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

/// Waits until everything has come to rest, collects the history, and judges it.
///
/// # Panics
/// When something still moves at the deadline, or a promise was broken; with the report.
pub async fn assert_promises_kept(run: &FaultRun, within: Duration) -> checker::History {
    wait_until_idle(run, within).await;
    let history = collect_history(run).await;
    checker::check(&history).assert();
    history
}
