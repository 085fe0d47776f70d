//! One run of a fault: its world, its clients, its mail server, and the judgement at its end.

use std::time::Duration;

use crate::checker::{History, Limits};
use test_support::{ScriptedSmtp, World};

use crate::{Recorder, collect, settle};

/// What one fault run consists of.
pub struct Run {
    /// Topic, databases, keys and logs of its own.
    pub world: World,
    /// What its clients asked.
    pub recorder: Recorder,
    /// The mail server that its services send to.
    pub smtp: ScriptedSmtp,
    /// What it is to stay within.
    pub limits: Limits,
}

/// Waits until everything has come to rest, collects the history, and judges it.
///
/// # Panics
/// When something still moves at the deadline, or a promise was broken; with the report.
pub async fn judge(run: &Run, within: Duration) -> History {
    settle(run, within).await;
    let history = collect(run).await;
    crate::checker::check(&history).assert();
    history
}
