//! Limits the codes for one challenge. This is a security bound and not a rate limit, so it also holds if rate limits
//! are disabled: a short code can be guessed.

use std::time::Duration;

use uuid::Uuid;

use super::limiter::RateLimiter;
use crate::{
    problem::Problem,
    store::{ThrottleKey, ThrottleRule},
};

/// The maximum number of codes for one challenge.
const MAX_CODES: u32 = 5;
/// The time after which a charge expires. No challenge lives longer, so no charge expires before its challenge.
const CHARGE_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// A step that a code completes.
#[derive(Debug, Clone, Copy)]
pub(in crate::usecase) enum CodeChallenge<'a> {
    /// The second step of a login, by the id of its token.
    MfaToken(Uuid),
    /// The setup of a second factor, by its sealed secret.
    TotpSetup(&'a [u8]),
}

/// A code that was charged to its challenge.
#[must_use]
pub(in crate::usecase) struct ChargedCode(ThrottleKey);

impl RateLimiter {
    /// Charges one code to this challenge, or returns `None` if the challenge has reached its maximum. The code is
    /// charged before it is verified, so that concurrent codes cannot exceed the maximum.
    ///
    /// # Errors
    /// Returns an error if the database is unavailable.
    pub(in crate::usecase) async fn charge_code(
        &self,
        challenge: CodeChallenge<'_>,
    ) -> Result<Option<ChargedCode>, Problem> {
        let key = match challenge {
            CodeChallenge::MfaToken(id) => self.hash.subject_key("mfa-token", id.as_bytes()),
            CodeChallenge::TotpSetup(secret) => self.hash.subject_key("totp-setup", secret),
        };
        let rule = ThrottleRule::Rate { quota: MAX_CODES, window: CHARGE_LIFETIME * MAX_CODES };
        let row = self.store.charge(key, rule).await?;
        Ok((!row.refused).then_some(ChargedCode(key)))
    }

    /// Returns the result of a verification, and refunds a code that was neither right nor wrong.
    pub(in crate::usecase) async fn refund_code_unless_judged<T>(
        &self,
        charged: &mut Option<ChargedCode>,
        verified: Result<T, Problem>,
    ) -> Result<T, Problem> {
        if matches!(&verified, Err(problem) if !matches!(problem, Problem::WrongCode)) {
            self.refund_all(charged.take().map(|code| code.0)).await;
        }
        verified
    }
}
