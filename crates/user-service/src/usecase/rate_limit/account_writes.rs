//! Limits on what a signed-in user changes. Each change is an event and an audit row that is kept for long, and most
//! of them send a mail. Ending sessions is never refused, so it has no limit here.

use std::time::Duration;

use uuid::Uuid;

use super::{Charged, HOUR, Policy, RateLimiter};
use crate::{store::ThrottleKey, usecase::failure::Failure};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A kind of change; each kind has a quota of its own for each account.
#[derive(Debug, Clone, Copy)]
pub(in crate::usecase) enum AccountWrite {
    Profile,
    /// Besides being a change of the profile.
    Username,
    /// Asking for another address.
    Email,
    Password,
    /// Beginning a set-up, turning the second factor off, new recovery codes.
    SecondFactor,
}

impl RateLimiter {
    /// Charges changes to this account. The caller charges them before the work and takes them back if nothing changes.
    ///
    /// # Errors
    /// [`Failure::RateLimited`], or the database is away.
    pub(in crate::usecase) async fn account_writes(
        &self,
        writes: &[AccountWrite],
        user: Uuid,
    ) -> Result<Charged, Failure> {
        if !self.limits.enabled {
            return Ok(Charged::default());
        }
        let rows: Vec<_> = writes.iter().map(|write| self.write_row(*write, user)).collect();
        self.charge_all(&rows).await
    }

    pub(super) fn write_row(&self, write: AccountWrite, user: Uuid) -> (Policy, ThrottleKey) {
        let limits = &self.limits;
        let policy = match write {
            AccountWrite::Profile => self.rate("profile", limits.profile_changes_per_account, HOUR),
            AccountWrite::Username => self.rate("username", limits.username_changes_per_account, DAY),
            AccountWrite::Email => self.rate("email-change", limits.email_changes_per_account, HOUR),
            AccountWrite::Password => self.rate("password-change", limits.password_changes_per_account, HOUR),
            AccountWrite::SecondFactor => self.rate("second-factor", limits.second_factor_changes_per_account, HOUR),
        };
        (policy, self.hash.whole(policy.name, user.as_bytes()))
    }
}
