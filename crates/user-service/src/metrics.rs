//! Every metric of the service with its help text, except those of HTTP and of the hash pool, which are defined next to
//! what they measure.

use jiff::Timestamp;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use service_kit::prometheus;

use crate::store::PendingEvent;

/// The counter of caught panics, and the values of its label.
pub const PANICS: (&str, &[&str]) = (
    "user_service_panics_total",
    &[
        "request",
        "write",
        "hash",
        "password_policy",
        "relay",
        "background",
        "housekeeping",
        "import",
        "ops",
        "reload",
        "template",
    ],
);

/// The gauge of the findings about the topology of MongoDB and Kafka.
pub const TOPOLOGY_FINDING: &str = "user_service_topology_finding";

/// Registers the gauge of a brand that cannot be used.
///
/// # Errors
/// Returns an error if the name is already registered.
pub fn register_branding_failed(registry: &Registry) -> prometheus::Result<IntGauge> {
    let help =
        "1 if branding.directory could not be read again, or a template of it has failed; 0 after the next success.";
    register(registry, IntGauge::new("user_service_branding_failed", help)?)
}

/// The metrics of the relay.
#[derive(Clone)]
pub struct RelayMetrics {
    pub published: IntCounter,
    pub publish_failed: IntCounter,
    pub settle_failed: IntCounter,
    pub parked: IntCounter,
    pub swept: IntCounter,
    pub fast_path_dropped: IntCounter,
    pub states_published: IntCounter,
    age: Histogram,
}

impl RelayMetrics {
    /// Registers the relay's metrics.
    ///
    /// # Errors
    /// Returns an error if a name is already registered.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let ages = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0];
        let age = HistogramOpts::new(
            "user_service_relay_event_age_seconds",
            "Time from a change to the broker's acknowledgement of its event.",
        );
        Ok(Self {
            published: counter(registry, "user_service_relay_published_total", "Events acknowledged by the brokers.")?,
            publish_failed: counter(
                registry,
                "user_service_relay_publish_failed_total",
                "Failed publications that will be retried.",
            )?,
            settle_failed: counter(
                registry,
                "user_service_relay_settle_failed_total",
                "Batches of published events that could not be removed from the outbox.",
            )?,
            parked: counter(
                registry,
                "user_service_relay_parked_total",
                "Refusals of an event by the broker that are not temporary; the user is parked.",
            )?,
            swept: counter(
                registry,
                "user_service_relay_swept_total",
                "Users that the sweep found with unpublished events.",
            )?,
            fast_path_dropped: counter(
                registry,
                "user_service_relay_fast_path_dropped_total",
                "Writes whose events the sweep must publish because the relay's queue was full.",
            )?,
            states_published: counter(
                registry,
                "user_service_relay_states_published_total",
                "States of users acknowledged by the brokers.",
            )?,
            age: register(registry, Histogram::with_opts(age.buckets(ages))?)?,
        })
    }

    /// Records that an event was published.
    pub fn observe_published(&self, now: Timestamp, event: &PendingEvent) {
        self.published.inc();
        self.age.observe(now.duration_since(event.at.to_jiff()).as_secs_f64().max(0.0));
    }
}

/// The metrics of the use cases.
#[derive(Clone)]
pub struct AccountMetrics {
    pub registrations: IntCounter,
    /// The number of logins, by `outcome`: success, invalid, disabled, unverified, mfa_required, mfa_token_invalid,
    /// throttled, failure.
    pub logins: IntCounterVec,
    pub login_events_dropped: IntCounter,
    pub refresh_reuse: IntCounter,
    pub background_dropped: IntCounter,
    pub audit_dropped: IntCounter,
    /// The number of responses with status 429, by `scope`: the limit that was reached.
    pub throttled: IntCounterVec,
    pub unverified_expired: IntCounter,
}

impl AccountMetrics {
    /// Registers the use cases' metrics.
    ///
    /// # Errors
    /// Returns an error if a name is already registered.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let throttled =
            Opts::new("user_service_throttled_total", "Responses with status 429, by the limit that was reached.");
        let logins = Opts::new("user_service_logins_total", "Logins, by outcome.");
        Ok(Self {
            registrations: counter(registry, "user_service_registrations_total", "Accounts created by registration.")?,
            logins: register(registry, IntCounterVec::new(logins, &["outcome"])?)?,
            login_events_dropped: counter(
                registry,
                "user_service_login_events_dropped_total",
                "Logins without an event, because half of the user's list of pending events was used.",
            )?,
            refresh_reuse: counter(
                registry,
                "user_service_refresh_reuse_total",
                "Sessions ended because an old refresh token was used.",
            )?,
            background_dropped: counter(
                registry,
                "user_service_background_dropped_total",
                "Requested mails, hidden registrations and notices of attacks that were dropped because the queue was full.",
            )?,
            audit_dropped: counter(
                registry,
                "user_service_audit_dropped_total",
                "Audit rows without an event that were dropped: queue full, bound reached, or MongoDB unavailable.",
            )?,
            throttled: register(registry, IntCounterVec::new(throttled, &["scope"])?)?,
            unverified_expired: counter(
                registry,
                "user_service_unverified_expired_total",
                "Accounts deleted because their address was never verified.",
            )?,
        })
    }
}

fn counter(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntCounter> {
    register(registry, IntCounter::new(name, help)?)
}

fn register<C: prometheus::core::Collector + Clone + 'static>(registry: &Registry, metric: C) -> prometheus::Result<C> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
