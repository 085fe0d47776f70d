//! Every metric of the service: names, labels, help texts. The name and the meaning of a metric are
//! part of the contract with dashboards (docs/OPERATIONS.md).

use std::time::Duration;

use prometheus::{Gauge, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use service_kit::{panics, prometheus};

use crate::{ledger::State, plan::Template};

/// The counter of caught panics, and the places where panics are caught.
const PANICS: (&str, &[&str]) = ("email_panics_total", &["record", "mail", "smtp", "ops", "reload", "template"]);

/// The gauge of the findings about the topology of MongoDB and Kafka.
pub const TOPOLOGY_FINDING: &str = "email_topology_finding";

/// Handles to the metrics. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    records: IntCounterVec,
    dead_letters: IntCounterVec,
    planned: IntCounterVec,
    consumer_errors: IntCounterVec,
    lag: IntGauge,
    lag_seconds: Gauge,
    mails: IntCounterVec,
    jobs: IntGaugeVec,
    open_dead_letters: IntGauge,
    longest_due: Gauge,
    send: Histogram,
    delivery: Histogram,
    replies: IntCounterVec,
    connections: IntCounterVec,
    servers: IntGaugeVec,
    recovered: IntCounterVec,
    branding_failed: IntGauge,
}

/// The result of processing a record.
#[derive(Debug, Clone, Copy)]
pub enum RecordOutcome {
    Mail,
    NoMail,
    UnknownType,
    DeadLetter,
}

impl RecordOutcome {
    fn as_str(self) -> &'static str {
        match self {
            RecordOutcome::Mail => "mail",
            RecordOutcome::NoMail => "no_mail",
            RecordOutcome::UnknownType => "unknown_type",
            RecordOutcome::DeadLetter => "dead_letter",
        }
    }
}

/// The result of one attempt to send a mail.
#[derive(Debug, Clone, Copy)]
pub enum SendOutcome {
    Sent,
    Retried,
    Failed,
    Expired,
    Unknown,
    GivenBack,
    Lost,
}

impl SendOutcome {
    fn as_str(self) -> &'static str {
        match self {
            SendOutcome::Sent => "sent",
            SendOutcome::Retried => "retried",
            SendOutcome::Failed => "failed",
            SendOutcome::Expired => "expired",
            SendOutcome::Unknown => "unknown",
            SendOutcome::GivenBack => "given_back",
            SendOutcome::Lost => "lost",
        }
    }
}

/// In seconds: from a relay on the same host to one that takes minutes.
const SEND_BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];

/// In seconds: from an immediate delivery to one after an outage.
const DELIVERY_BUCKETS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0, 21600.0];

impl Metrics {
    /// Creates all metrics in a registry of their own.
    ///
    /// # Panics
    /// Panics if two metrics have the same name, which every test run would find.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        panics::register(&registry, PANICS.0, PANICS.1).expect("the registry is empty");
        let registrar = Registrar(&registry);
        Self {
            records: registrar.counters(
                "email_records_total",
                "Records read from the topic, by outcome.",
                &["outcome"],
            ),
            dead_letters: registrar.counters(
                "email_dead_letters_total",
                "Records that could not be processed, by reason.",
                &["reason"],
            ),
            planned: registrar.counters(
                "email_ledger_rows_total",
                "Mails written to the ledger, by template and first state; `known` were in the ledger already.",
                &["template", "state"],
            ),
            consumer_errors: registrar.counters(
                "email_consumer_errors_total",
                "Errors of the Kafka consumer, by kind; it continues after all but fatal ones.",
                &["kind"],
            ),
            lag: registrar.gauge(
                "email_consumer_lag_records",
                "Records in the assigned partitions that are not yet in the ledger.",
            ),
            lag_seconds: registrar.float_gauge(
                "email_consumer_lag_seconds",
                "Age of the oldest record in the assigned partitions that is not yet in the ledger; 0 if there is none.",
            ),
            mails: registrar.counters(
                "email_send_outcomes_total",
                "Attempts to send a mail, by template and outcome.",
                &["template", "outcome"],
            ),
            jobs: registrar.gauges("email_ledger_mails", "Mails in the ledger, by state.", &["state"]),
            open_dead_letters: registrar.gauge("email_dead_letters_open", "Dead letters that wait for an operator."),
            longest_due: registrar.float_gauge(
                "email_longest_due_seconds",
                "How long the longest due mail has been due; 0 if none is due.",
            ),
            send: registrar.histogram(
                "email_send_duration_seconds",
                "Time from the claim of a mail to its outcome in the ledger.",
                SEND_BUCKETS,
            ),
            delivery: registrar.histogram(
                "email_delivery_latency_seconds",
                "Time from the event to the server's 250.",
                DELIVERY_BUCKETS,
            ),
            replies: registrar.counters(
                "email_smtp_refusals_total",
                "SMTP replies that refuse a command or a mail, by phase and code.",
                &["phase", "code"],
            ),
            connections: registrar.counters(
                "email_smtp_connections_total",
                "Attempts to connect to an SMTP server, by result.",
                &["server", "result"],
            ),
            servers: registrar.gauges("email_smtp_up", "Whether the server accepts connections.", &["server"]),
            recovered: registrar.counters(
                "email_recovered_total",
                "Mails that recovery moved on because no sender held them any more, by action.",
                &["action"],
            ),
            branding_failed: registrar.gauge(
                "email_branding_failed",
                "Whether the last reload of the brand failed, or its layout failed for a mail since then.",
            ),
            registry,
        }
    }

    /// Returns the registry for the ops endpoint.
    #[must_use]
    pub fn registry(&self) -> Registry {
        self.registry.clone()
    }

    /// Returns the gauge that is 1 after a failure of the brand, until a reload succeeds.
    #[must_use]
    pub fn branding_failed(&self) -> IntGauge {
        self.branding_failed.clone()
    }

    pub fn count_record(&self, outcome: RecordOutcome) {
        self.records.with_label_values(&[outcome.as_str()]).inc();
    }

    pub fn count_dead_letter(&self, reason: &str) {
        self.dead_letters.with_label_values(&[reason]).inc();
    }

    /// `state` is the state that was written, or `known`.
    pub fn count_ledger_row(&self, template: Template, state: &str) {
        self.planned.with_label_values(&[template.as_str(), state]).inc();
    }

    pub fn count_consumer_error(&self, kind: &str) {
        self.consumer_errors.with_label_values(&[kind]).inc();
    }

    /// Sets the consumer lag: the number of records, and the age of the oldest in seconds.
    pub fn set_lag(&self, records: i64, seconds: f64) {
        self.lag.set(records);
        self.lag_seconds.set(seconds);
    }

    pub fn observe_send(&self, template: Template, outcome: SendOutcome, took: Duration) {
        self.mails.with_label_values(&[template.as_str(), outcome.as_str()]).inc();
        self.send.observe(took.as_secs_f64());
    }

    pub fn observe_delivery(&self, latency: Duration) {
        self.delivery.observe(latency.as_secs_f64());
    }

    pub fn count_refusal(&self, phase: &str, code: u16) {
        self.replies.with_label_values(&[phase, &code.to_string()]).inc();
    }

    pub fn count_connection(&self, server: &str, succeeded: bool) {
        self.connections.with_label_values(&[server, if succeeded { "ok" } else { "failed" }]).inc();
    }

    pub fn set_server_up(&self, server: &str, up: bool) {
        self.servers.with_label_values(&[server]).set(i64::from(up));
    }

    pub fn set_mails_in_state(&self, state: State, count: u64) {
        self.jobs.with_label_values(&[state.as_str()]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn set_open_dead_letters(&self, count: u64) {
        self.open_dead_letters.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn set_longest_due(&self, seconds: f64) {
        self.longest_due.set(seconds);
    }

    pub fn count_recovered(&self, action: &str, count: u64) {
        self.recovered.with_label_values(&[action]).inc_by(count);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Creates metrics and registers them.
struct Registrar<'a>(&'a Registry);

impl Registrar<'_> {
    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help))
    }

    fn float_gauge(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::new(name, help))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.register(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())))
    }

    fn register<T: prometheus::core::Collector + Clone + 'static>(&self, metric: prometheus::Result<T>) -> T {
        let metric = metric.expect("names and labels are valid constants");
        self.0.register(Box::new(metric.clone())).expect("each name is registered once");
        metric
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_registers_and_has_the_prefix() {
        let metrics = Metrics::new();
        metrics.count_record(RecordOutcome::Mail);
        metrics.observe_send(Template::Welcome, SendOutcome::Sent, Duration::from_millis(3));
        let gathered = metrics.registry().gather();
        assert!(gathered.iter().all(|family| family.name().starts_with("email_")));
        assert!(gathered.iter().any(|family| family.name() == "email_send_duration_seconds"));
    }
}
