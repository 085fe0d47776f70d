//! The policies that follow from the configured limits.

use std::time::Duration;

use super::local_budget::Budget;
use crate::{
    config::LimitsConfig,
    store::{Backoff, ThrottleRule},
};

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
/// The first wait of an account under attack is the maximum wait divided by this number.
const ACCOUNT_FIRST_WAIT_DIVISOR: u32 = 4;

/// A limit: its rule, its name for clients, and its label in the metric.
#[derive(Debug, Clone, Copy)]
pub(super) struct RateLimitPolicy {
    pub(super) name: &'static str,
    pub(super) scope: &'static str,
    pub(super) rule: ThrottleRule,
}

/// The policies whose subject is a network.
const NETWORK_POLICIES: [&str; 3] = [NETWORK, REGISTRATION, CLIENT];
const NETWORK: &str = "network";
const REGISTRATION: &str = "registration";
const CLIENT: &str = "client";

impl RateLimitPolicy {
    /// Returns the budget of each network, if the requests are counted in blocks; otherwise they are counted exactly.
    pub(super) fn network_budget(&self) -> Option<Budget> {
        NETWORK_POLICIES.contains(&self.name).then(|| Budget::new(self.rule)).flatten()
    }
}

impl LimitsConfig {
    /// Returns the policy for the failed attempts of one network or one session.
    pub(super) fn backoff_policy(&self, name: &'static str) -> RateLimitPolicy {
        RateLimitPolicy { name, scope: name, rule: ThrottleRule::Backoff(self.source_backoff()) }
    }

    /// Returns the rule of one network or one session.
    pub(super) fn source_backoff(&self) -> Backoff {
        Backoff { free: self.login_free_failures, first: self.login_first_wait, longest: self.login_max_wait }
    }

    /// Returns the rule of an account, for all unknown networks together.
    pub(super) fn account_backoff(&self) -> Backoff {
        let longest = self.login_max_wait;
        Backoff { free: self.account_free_failures, first: longest / ACCOUNT_FIRST_WAIT_DIVISOR, longest }
    }

    /// Returns the policy for the requests of a network to endpoints that guard a secret.
    pub(super) fn network_policy(&self) -> RateLimitPolicy {
        Self::rate_policy(NETWORK, self.requests_per_network, MINUTE)
    }

    /// Returns the policy for the failed authentications of clients from one network.
    pub(super) fn client_policy(&self) -> RateLimitPolicy {
        Self::rate_policy(CLIENT, self.requests_per_network, MINUTE)
    }

    /// Returns the policy for the registrations from one network.
    pub(super) fn registration_policy(&self) -> RateLimitPolicy {
        Self::rate_policy(REGISTRATION, self.registrations_per_network, HOUR)
    }

    pub(super) fn rate_policy(name: &'static str, quota: u32, window: Duration) -> RateLimitPolicy {
        RateLimitPolicy { name, scope: name, rule: ThrottleRule::Rate { quota, window } }
    }
}
