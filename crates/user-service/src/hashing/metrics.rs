//! Prometheus metrics of the hash pool.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

/// Histogram buckets in seconds, from a fast hash to an unacceptably slow one.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Handles to the pool's metrics.
#[derive(Debug, Clone)]
pub struct HashMetrics {
    pub(super) queue_length: IntGauge,
    pub(super) wait_seconds: Histogram,
    pub(super) hash_seconds: Histogram,
    pub(super) blocks: IntCounter,
    pub(super) shed: IntCounter,
    pub(super) abandoned: IntCounter,
    pub(super) unusable: IntCounter,
}

impl HashMetrics {
    /// Creates the metrics and registers them.
    ///
    /// # Errors
    /// Returns an error if one of the names is already registered.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            queue_length: IntGauge::new("user_service_hash_queue_length", "Password hashes waiting for a thread.")?,
            wait_seconds: seconds("user_service_hash_wait_seconds", "Time a password hash waited for a thread.")?,
            hash_seconds: seconds("user_service_hash_seconds", "Time a thread took for one password hash.")?,
            blocks: IntCounter::new(
                "user_service_hash_blocks_total",
                "Work done by the hash threads, in Argon2 blocks of 1 KiB times passes.",
            )?,
            shed: IntCounter::new(
                "user_service_hash_shed_total",
                "Password hashes refused because the wait was too long.",
            )?,
            abandoned: IntCounter::new(
                "user_service_hash_abandoned_total",
                "Password hashes skipped because the client was gone.",
            )?,
            unusable: IntCounter::new(
                "user_service_hash_unusable_total",
                "Verifications against a stored hash that is malformed, unsupported or beyond the configured limits.",
            )?,
        };
        registry.register(Box::new(metrics.queue_length.clone()))?;
        registry.register(Box::new(metrics.wait_seconds.clone()))?;
        registry.register(Box::new(metrics.hash_seconds.clone()))?;
        for counter in [&metrics.blocks, &metrics.shed, &metrics.abandoned, &metrics.unusable] {
            registry.register(Box::new(counter.clone()))?;
        }
        Ok(metrics)
    }
}

fn seconds(name: &str, help: &str) -> prometheus::Result<Histogram> {
    Histogram::with_opts(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()))
}
