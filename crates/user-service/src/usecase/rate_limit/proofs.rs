//! How many codes one proof bears. This is no rate limit, so it holds whatever the limits say: a short code can be
//! guessed, and what it completes must not be a place to guess at.

use std::time::Duration;

use uuid::Uuid;

use super::RateLimiter;
use crate::{
    store::{ThrottleKey, ThrottleRule},
    usecase::failure::Failure,
};

/// Codes that are judged for one proof.
const CODES: u32 = 5;
/// A charge is forgotten after so long. No proof lives longer, so within its life none is.
const FORGOTTEN_IN: Duration = Duration::from_secs(60 * 60);

/// A step that a code completes.
#[derive(Debug, Clone, Copy)]
pub(in crate::usecase) enum Proof<'a> {
    /// The token of a login in two steps, by its id.
    MfaToken(Uuid),
    /// A second factor that is being set up, by its sealed secret.
    TotpSetup(&'a [u8]),
}

/// A code that was charged to its proof.
#[must_use]
pub(in crate::usecase) struct BorneCode(ThrottleKey);

impl RateLimiter {
    /// Charges one more code to this proof; returns `None` if it has borne all that it may. The code is charged before it
    /// is judged, so that codes sent at once do not outrun the count.
    ///
    /// # Errors
    /// When the database is away.
    pub(in crate::usecase) async fn bear_code(&self, proof: Proof<'_>) -> Result<Option<BorneCode>, Failure> {
        let key = match proof {
            Proof::MfaToken(id) => self.hash.whole("mfa-token", id.as_bytes()),
            Proof::TotpSetup(secret) => self.hash.whole("totp-setup", secret),
        };
        let rule = ThrottleRule::Rate { quota: CODES, window: FORGOTTEN_IN * CODES };
        let row = self.store.charge(key, rule).await?;
        Ok((!row.refused).then_some(BorneCode(key)))
    }

    /// Takes back a code that was not judged.
    pub(in crate::usecase) async fn was_not_borne(&self, code: Option<BorneCode>) {
        self.take_back_all(code.map(|code| code.0)).await;
    }
}
