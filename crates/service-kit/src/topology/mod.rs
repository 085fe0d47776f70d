//! Checks the topology of MongoDB and Kafka in the background, at the start and then every few minutes. It reports
//! its findings in the log, in the details of `/readyz`, and as a metric. Nothing waits for these checks.
//!
//! The log has a finding as a warning if a setting weakens a promise on several nodes. With a single node, as in
//! development, every finding has the level `info`. So has a finding about something that cannot be checked.

mod findings;
mod kafka;
mod mongodb;

use std::{collections::BTreeSet, future::Future, time::Duration};

use ::mongodb::Client;
use prometheus::{IntGaugeVec, Opts, Registry};
use rdkafka::ClientConfig;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub use findings::Finding;

use crate::{
    backoff,
    config::MongoConfig,
    lifecycle::{Lifecycle, Stage},
    ops::Health,
};

/// The pauses after a look that failed.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_mins(1);
/// The interval of looks, and the shorter one during an outage.
const INTERVAL: Duration = Duration::from_mins(5);
const INTERVAL_IN_OUTAGE: Duration = Duration::from_secs(30);

/// Watches the topology for one service. Clones share the metric.
#[derive(Clone, Debug)]
pub struct Topology {
    health: Health,
    gauge: IntGaugeVec,
}

impl Topology {
    /// Registers the metric of the findings under this name.
    ///
    /// # Errors
    /// Returns an error if the name is already registered.
    pub fn register(registry: &Registry, metric: &str, health: Health) -> prometheus::Result<Self> {
        let help =
            "Findings about the topology of MongoDB and Kafka: 1 while it holds, 0 while not, absent until seen.";
        let gauge = IntGaugeVec::new(Opts::new(metric, help), &["finding"])?;
        registry.register(Box::new(gauge.clone()))?;
        Ok(Self { health, gauge })
    }

    /// Starts to watch MongoDB.
    pub fn watch_mongodb(&self, client: Client, config: &MongoConfig, lifecycle: &Lifecycle) {
        let (reporter, direct) = (self.reporter("mongodb", findings::MONGODB), mongodb::is_direct(config));
        let look = move || {
            let client = client.clone();
            async move { mongodb::look(&client, direct).await }
        };
        lifecycle.spawn(Stage::Support, "topology-mongodb", |stop| watch(reporter, look, stop));
    }

    /// Starts to watch Kafka and the topics. `client` is an [`admin_config`](crate::kafka::admin_config).
    pub fn watch_kafka(&self, client: ClientConfig, topics: Vec<String>, lifecycle: &Lifecycle) {
        let reporter = self.reporter("kafka", findings::KAFKA);
        let look = move || kafka::look(client.clone(), topics.clone());
        lifecycle.spawn(Stage::Support, "topology-kafka", |stop| watch(reporter, look, stop));
    }

    fn reporter(&self, dependency: &'static str, possible: &'static [Finding]) -> Reporter {
        Reporter { topology: self.clone(), dependency, possible, known: None }
    }
}

/// Looks until `stop`, and reports what it sees.
async fn watch<F>(mut reporter: Reporter, look: impl Fn() -> F, stop: CancellationToken)
where
    F: Future<Output = anyhow::Result<Report>>,
{
    let looking = async {
        let mut failures = 0;
        loop {
            match look().await {
                Ok(report) => {
                    failures = 0;
                    let in_outage = report.findings.iter().any(|finding| finding.is_outage());
                    reporter.report(report);
                    sleep(backoff::jittered(if in_outage { INTERVAL_IN_OUTAGE } else { INTERVAL })).await;
                }
                Err(error) => {
                    tracing::debug!(dependency = reporter.dependency, error = %format!("{error:#}"), "not seen yet");
                    failures += 1;
                    backoff::pause(failures, FIRST_RETRY, LONGEST_RETRY).await;
                }
            }
        }
    };
    stop.run_until_cancelled(looking).await;
}

/// What one look has seen.
#[derive(Debug)]
struct Report {
    /// The member of `details` in `/readyz`.
    details: Value,
    findings: BTreeSet<Finding>,
    several_nodes: bool,
}

impl Report {
    /// Creates a report from what was seen, which is serialized as an object.
    fn new(seen: &impl Serialize, findings: Vec<Finding>, several_nodes: bool) -> anyhow::Result<Self> {
        let mut details: Map<String, Value> = serde_json::from_value(serde_json::to_value(seen)?)?;
        details.insert("findings".to_owned(), serde_json::to_value(&findings)?);
        Ok(Self { details: details.into(), findings: findings.into_iter().collect(), several_nodes })
    }
}

/// Reports on one dependency: always to `/readyz` and the metric, and changes of the findings to the log.
#[derive(Debug)]
struct Reporter {
    topology: Topology,
    dependency: &'static str,
    possible: &'static [Finding],
    /// The findings of the look before, or `None` before the first one.
    known: Option<BTreeSet<Finding>>,
}

impl Reporter {
    fn report(&mut self, report: Report) {
        let Report { details, findings, several_nodes } = report;
        let dependency = self.dependency;
        for finding in self.possible {
            let holds = i64::from(findings.contains(finding));
            self.topology.gauge.with_label_values(&[finding.slug()]).set(holds);
        }
        let first = self.known.is_none();
        let known = self.known.take().unwrap_or_default();
        for finding in findings.difference(&known) {
            let (slug, sentence) = (finding.slug(), finding.sentence());
            if several_nodes && finding.weakens() {
                tracing::warn!(dependency, finding = slug, topology = %details, "{sentence}");
            } else {
                tracing::info!(dependency, finding = slug, topology = %details, "{sentence}");
            }
        }
        for finding in known.difference(&findings) {
            tracing::info!(dependency, finding = finding.slug(), topology = %details, "a finding has gone");
        }
        if first && findings.is_empty() {
            tracing::info!(dependency, topology = %details, "the topology has no finding");
        }
        self.topology.health.set_details(dependency, details);
        self.known = Some(findings);
    }
}

#[cfg(test)]
mod tests;
