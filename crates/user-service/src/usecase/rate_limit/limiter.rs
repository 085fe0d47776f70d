//! The rate limiter, and its checks within this process, which do not use the database.

use std::{sync::Arc, time::Duration};

use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    attempt_refunds::{AttemptRefunds, RefundWriter},
    keyed_hash::KeyedHash,
    limits::{MINUTE, RateLimitPolicy},
    local_limiter::LocalLimiter,
    network_blocks::NetworkBlocks,
    networks::client_network,
    status::{RateLimitStatus, report},
};
use crate::{
    config::LimitsConfig, keys::KeyEncryptionKey, metrics::AccountMetrics, outbox::Origin, problem::Problem,
    store::ThrottleStore,
};

/// The factor between the quota of a network in this process and its shared quota.
const REQUEST_QUOTA_FACTOR: u32 = 2;
/// The same factor for refresh and logout. Each signed-in user refreshes several times an hour, and many users can
/// share one address.
const SESSION_QUOTA_FACTOR: u32 = 5;
/// The same factor for passwords that are checked while they are typed: each takes several requests.
const TYPING_QUOTA_FACTOR: u32 = 5;
const EVICTION_INTERVAL: Duration = Duration::from_secs(60);

/// Limits requests and attempts by counters in the database.
pub struct RateLimiter {
    pub(super) store: ThrottleStore,
    pub(super) hash: KeyedHash,
    pub(super) blocks: NetworkBlocks,
    request_limiter: LocalLimiter,
    session_limiter: LocalLimiter,
    typing_limiter: LocalLimiter,
    client_failure_limiter: LocalLimiter,
    pub(super) limits: LimitsConfig,
    pub(super) metrics: AccountMetrics,
    pub(super) attempt_refunds: Arc<AttemptRefunds>,
    /// The refunds of quotas for clients that have disconnected. They outlive their requests, and the threads of the requests.
    pub(super) refunds: TaskTracker,
    pub(super) runtime: Handle,
}

impl RateLimiter {
    /// Creates the limiter, and the writer of its refunds. The keys of the counters are hashed with a key that is
    /// derived from `keys`.
    ///
    /// # Panics
    /// Panics outside a Tokio runtime.
    #[must_use]
    pub fn new(
        store: ThrottleStore,
        keys: &KeyEncryptionKey,
        limits: LimitsConfig,
        metrics: AccountMetrics,
    ) -> (Self, RefundWriter) {
        let local = |times: u32| LocalLimiter::new(limits.requests_per_network.saturating_mul(times));
        let (attempt_refunds, refund_writer) = AttemptRefunds::new(store.clone());
        let limiter = Self {
            store,
            hash: KeyedHash::new(keys),
            blocks: NetworkBlocks::new(),
            request_limiter: local(REQUEST_QUOTA_FACTOR),
            session_limiter: local(SESSION_QUOTA_FACTOR),
            typing_limiter: local(TYPING_QUOTA_FACTOR),
            client_failure_limiter: local(REQUEST_QUOTA_FACTOR),
            limits,
            metrics,
            attempt_refunds,
            refunds: TaskTracker::new(),
            runtime: Handle::current(),
        };
        (limiter, refund_writer)
    }

    /// Waits until no refund is in progress. The caller makes sure that no new one begins.
    pub async fn finish(&self) {
        self.refunds.close();
        self.refunds.wait().await;
    }

    /// Evicts idle counters of this process every minute until `stop`.
    pub async fn evict_idle(&self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(EVICTION_INTERVAL)).await.is_some() {
            self.blocks.evict_idle();
            let own =
                [&self.request_limiter, &self.session_limiter, &self.typing_limiter, &self.client_failure_limiter];
            for limiter in own {
                limiter.evict_idle();
            }
        }
    }

    /// Checks one request of this network in this process only: for the pages behind mailed links.
    ///
    /// # Errors
    /// Returns [`Problem::RateLimited`].
    pub fn check_local_request(&self, origin: &Origin) -> Result<(), Problem> {
        self.check_local_limit(&self.request_limiter, &self.limits.network_policy(), origin)
    }

    /// Checks a refresh or a logout in this process only. They have a quota of their own, so that a flood of them
    /// blocks no login, and a flood of logins blocks none of them.
    ///
    /// # Errors
    /// Returns [`Problem::RateLimited`].
    pub fn check_session_request(&self, origin: &Origin) -> Result<(), Problem> {
        let quota = self.limits.requests_per_network.saturating_mul(SESSION_QUOTA_FACTOR);
        self.check_local_limit(&self.session_limiter, &LimitsConfig::rate_policy("session", quota, MINUTE), origin)
    }

    /// Checks a password that is typed, in this process only. It has a quota of its own, so that many people who choose
    /// passwords behind one address do not block the pages of their mailed links.
    ///
    /// # Errors
    /// Returns [`Problem::RateLimited`].
    pub fn check_typed_password(&self, origin: &Origin) -> Result<(), Problem> {
        let quota = self.limits.requests_per_network.saturating_mul(TYPING_QUOTA_FACTOR);
        self.check_local_limit(&self.typing_limiter, &LimitsConfig::rate_policy("typing", quota, MINUTE), origin)
    }

    /// Checks a failed authentication of a client in this process only, so that a flood of them writes no counter.
    pub(super) fn check_local_client_failure(&self, origin: &Origin) -> Result<(), Problem> {
        self.check_local_limit(&self.client_failure_limiter, &self.limits.client_policy(), origin)
    }

    fn check_local_limit(
        &self,
        limiter: &LocalLimiter,
        policy: &RateLimitPolicy,
        origin: &Origin,
    ) -> Result<(), Problem> {
        if !self.limits.enabled {
            return Ok(());
        }
        limiter.check(client_network(origin)).map_err(|retry_after| {
            self.metrics.throttled.with_label_values(&["first_line"]).inc();
            report(RateLimitStatus { remaining: 0, reset: retry_after, ..RateLimitStatus::full_quota(policy) });
            Problem::RateLimited(retry_after)
        })
    }
}
