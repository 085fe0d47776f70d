//! Alternates a service with its limit: while one of them works, the other is paused. For services that process a
//! backlog and receive no requests during the measurement.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Result;
use mongodb::Client;
use test_support::Service;

use crate::{database, processes::Processes};

/// The part of a run that is not measured at its beginning, in which the resumed service handles responses that
/// arrived while it was paused.
const WARM_UP: f64 = 0.1;

/// A counter metric that shows how much work a service has done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MetricCounter {
    pub(crate) metric: &'static str,
    pub(crate) labels: &'static str,
}

impl MetricCounter {
    pub(crate) async fn read(self, service: &Service) -> f64 {
        service.metric(self.metric, self.labels).await
    }

    /// Waits until the counter is at least `done`.
    pub(crate) async fn wait_until(self, service: &Service, done: f64) {
        while self.read(service).await < done {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The result of one run of a service.
pub(crate) struct MeasuredRun {
    /// Items per second.
    pub(crate) rate: f64,
    /// Whether the backlog was exhausted, so that the rate is not meaningful.
    pub(crate) finished: bool,
    /// The cost of each item: milliseconds of processor time by process, and commands to MongoDB.
    pub(crate) cost: String,
}

/// The parameters of the runs.
pub(crate) struct AlternatingRuns<'a> {
    pub(crate) counter: MetricCounter,
    /// The size of the whole backlog.
    pub(crate) total: f64,
    pub(crate) length: Duration,
    pub(crate) processes: Processes,
    pub(crate) client: &'a Client,
}

impl AlternatingRuns<'_> {
    /// Resumes a paused service (SIGSTOP), measures one run, and pauses it again.
    pub(crate) async fn measure(&self, service: &mut Service) -> Result<MeasuredRun> {
        service.resume();
        tokio::time::sleep(self.length.mul_f64(WARM_UP)).await;
        let processes = self.processes.clone().with("service", service.pid());
        let (watch, commands) = (processes.watch()?, database::command_counts(self.client).await?);
        let (before, since) = (self.counter.read(service).await, Instant::now());
        tokio::time::sleep(self.length).await;
        let (after, took) = (self.counter.read(service).await, since.elapsed());
        let (seconds, commands_after) = (watch.seconds()?, database::command_counts(self.client).await?);
        service.pause();
        let done = after - before;
        let cost = cost_per_item(&seconds, &database::commands_per_item(&commands, &commands_after, done), done);
        Ok(MeasuredRun { rate: done / took.as_secs_f64(), finished: after >= self.total, cost })
    }
}

/// Returns the cost of each item as text for a remark.
pub(crate) fn cost_per_item(seconds: &BTreeMap<&'static str, f64>, commands: &str, done: f64) -> String {
    let each = |(name, seconds): (&&str, &f64)| format!("{name} {:.3}", seconds * 1e3 / done);
    let processors = seconds.iter().map(each).collect::<Vec<_>>().join(", ");
    format!("processor time of each, in ms: {processors}; commands to MongoDB: {commands}")
}
