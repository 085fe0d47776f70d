//! Limits on the changes of a signed-in user. Each change writes an event and an audit row that is kept for a long
//! time, and most changes send a mail. Ending sessions has no limit.

use std::time::Duration;

use uuid::Uuid;

use super::{
    charges::Charges,
    limiter::RateLimiter,
    limits::{HOUR, RateLimitPolicy},
};
use crate::{config::LimitsConfig, problem::Problem, store::ThrottleKey};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A kind of change. Each kind has its own quota for each account.
#[derive(Debug, Clone, Copy)]
pub(in crate::usecase) enum AccountWrite {
    Profile,
    /// Charged in addition to [`Profile`](Self::Profile).
    Username,
    /// A request to change the email address.
    Email,
    Password,
    /// Starting the setup of the second factor, turning it off, or renewing the recovery codes.
    SecondFactor,
}

impl RateLimiter {
    /// Charges changes to this account. The caller charges them before the work and refunds them if nothing changes.
    ///
    /// # Errors
    /// Returns [`Problem::RateLimited`], or an error if the database is unavailable.
    pub(in crate::usecase) async fn charge_account_writes(
        &self,
        writes: &[AccountWrite],
        user: Uuid,
    ) -> Result<Charges, Problem> {
        if !self.limits.enabled {
            return Ok(Charges::default());
        }
        let rows: Vec<_> = writes.iter().map(|write| self.account_write_counter(*write, user)).collect();
        self.charge_all(&rows).await
    }

    pub(super) fn account_write_counter(&self, write: AccountWrite, user: Uuid) -> (RateLimitPolicy, ThrottleKey) {
        let limits = &self.limits;
        let policy = match write {
            AccountWrite::Profile => LimitsConfig::rate_policy("profile", limits.profile_changes_per_account, HOUR),
            AccountWrite::Username => LimitsConfig::rate_policy("username", limits.username_changes_per_account, DAY),
            AccountWrite::Email => LimitsConfig::rate_policy("email-change", limits.email_changes_per_account, HOUR),
            AccountWrite::Password => {
                LimitsConfig::rate_policy("password-change", limits.password_changes_per_account, HOUR)
            }
            AccountWrite::SecondFactor => {
                LimitsConfig::rate_policy("second-factor", limits.second_factor_changes_per_account, HOUR)
            }
        };
        (policy, self.hash.subject_key(policy.name, user.as_bytes()))
    }
}
