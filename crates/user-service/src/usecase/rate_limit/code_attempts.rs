//! How many codes one proof bears. This is no rate limit, so it holds whatever the limits say: a short code can be
//! guessed, and what it completes must not be a place to guess at.

use std::time::Duration;

use uuid::Uuid;

use super::limiter::RateLimiter;
use crate::{
    store::{ThrottleKey, ThrottleRule},
    usecase::failure::Failure,
};

/// Codes that are judged for one proof.
const MAX_CODES: u32 = 5;
/// A charge is forgotten after so long. No proof lives longer, so within its life none is.
const CHARGE_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// A step that a code completes.
#[derive(Debug, Clone, Copy)]
pub(in crate::usecase) enum CodeChallenge<'a> {
    /// The token of a login in two steps, by its id.
    MfaToken(Uuid),
    /// A second factor that is being set up, by its sealed secret.
    TotpSetup(&'a [u8]),
}

/// A code that was charged to its proof.
#[must_use]
pub(in crate::usecase) struct ChargedCode(ThrottleKey);

impl RateLimiter {
    /// Charges one more code to this proof; returns `None` if it has charged_code all that it may. The code is charged before it
    /// is judged, so that codes sent at once do not outrun the count.
    ///
    /// # Errors
    /// When the database is away.
    pub(in crate::usecase) async fn charge_code(
        &self,
        proof: CodeChallenge<'_>,
    ) -> Result<Option<ChargedCode>, Failure> {
        let key = match proof {
            CodeChallenge::MfaToken(id) => self.hash.subject_key("mfa-token", id.as_bytes()),
            CodeChallenge::TotpSetup(secret) => self.hash.subject_key("totp-setup", secret),
        };
        let rule = ThrottleRule::Rate { quota: MAX_CODES, window: CHARGE_LIFETIME * MAX_CODES };
        let row = self.store.charge(key, rule).await?;
        Ok((!row.held).then_some(ChargedCode(key)))
    }

    /// Takes back a code that was not judged.
    pub(in crate::usecase) async fn refund_code(&self, code: Option<ChargedCode>) {
        self.refund_all(code.map(|code| code.0)).await;
    }
}
