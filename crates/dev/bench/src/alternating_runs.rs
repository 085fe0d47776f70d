//! A service in runs with its limit: while one of them works, the other stands still. For
//! services that work off what waits; nobody asks them anything meanwhile.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Result;
use mongodb::Client;
use test_support::Service;

use crate::{database, processes::Processes};

/// After it was stopped a service has answers to take that came meanwhile: of a turn, this part
/// does not count.
const WARM_UP: f64 = 0.1;

/// What a service has done so far, by one of its metrics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MetricCounter {
    pub(crate) metric: &'static str,
    pub(crate) labels: &'static str,
}

impl MetricCounter {
    pub(crate) async fn read(self, service: &Service) -> f64 {
        service.metric(self.metric, self.labels).await
    }

    /// Until it has done so much.
    pub(crate) async fn wait_until(self, service: &Service, done: f64) {
        while self.read(service).await < done {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// One turn of a service.
pub(crate) struct MeasuredRun {
    /// So much a second.
    pub(crate) rate: f64,
    /// It came to the end of total that there was: the rate says nothing.
    pub(crate) finished: bool,
    /// For each that it did: milliseconds of processor time by process, and commands to MongoDB.
    pub(crate) cost: String,
}

/// How runs are taken.
pub(crate) struct AlternatingRuns<'a> {
    pub(crate) counter: MetricCounter,
    /// What there is to do.
    pub(crate) total: f64,
    pub(crate) length: Duration,
    pub(crate) processes: Processes,
    pub(crate) client: &'a Client,
}

impl AlternatingRuns<'_> {
    /// One turn of a service that stands still (SIGSTOP), before and after it.
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

/// For a remark.
pub(crate) fn cost_per_item(seconds: &BTreeMap<&'static str, f64>, commands: &str, done: f64) -> String {
    let each = |(name, seconds): (&&str, &f64)| format!("{name} {:.3}", seconds * 1e3 / done);
    let processors = seconds.iter().map(each).collect::<Vec<_>>().join(", ");
    format!("each takes of the processors, in ms: {processors}; commands to MongoDB: {commands}")
}
