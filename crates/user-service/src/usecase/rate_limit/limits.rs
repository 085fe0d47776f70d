//! The configured limits, and the policies made of them.

use std::time::Duration;

use crate::store::ThrottleRule;

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
/// An account under attack is held for a quarter of the longest wait at first.
pub(super) const ACCOUNT_FIRST_WAIT_DIVISOR: u32 = 4;

/// The numbers, from the configuration.
#[derive(Debug, Clone)]
pub struct Limits {
    pub enabled: bool,
    pub login_free_failures: u32,
    pub account_free_failures: u32,
    pub login_first_wait: Duration,
    pub login_max_wait: Duration,
    /// An hour, for each kind of mail.
    pub mails_per_address: u32,
    /// A minute.
    pub requests_per_network: u32,
    /// An hour.
    pub registrations_per_network: u32,
    /// An hour.
    pub profile_changes_per_account: u32,
    /// A day.
    pub username_changes_per_account: u32,
    /// An hour.
    pub email_changes_per_account: u32,
    /// An hour.
    pub password_changes_per_account: u32,
    /// An hour.
    pub second_factor_changes_per_account: u32,
}

/// A rule, what clients call it, and what the metric calls it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RateLimitPolicy {
    pub(super) name: &'static str,
    pub(super) scope: &'static str,
    pub(super) rule: ThrottleRule,
}

impl Limits {
    /// What holds one network, or one session.
    pub(super) fn backoff_policy(&self, name: &'static str) -> RateLimitPolicy {
        let Limits { login_free_failures: free, login_first_wait: first, login_max_wait: longest, .. } = *self;
        RateLimitPolicy { name, scope: name, rule: ThrottleRule::Backoff { free, first, longest } }
    }

    /// Returns the policy for all requests of a network to what guards a secret.
    pub(super) fn network_policy(&self) -> RateLimitPolicy {
        Self::rate_policy("network", self.requests_per_network, MINUTE)
    }

    pub(super) fn rate_policy(name: &'static str, quota: u32, window: Duration) -> RateLimitPolicy {
        RateLimitPolicy { name, scope: name, rule: ThrottleRule::Rate { quota, window } }
    }
}
