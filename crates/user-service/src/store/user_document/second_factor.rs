//! The second factor of an account: one that is on, and one that is being set up.

use bson::{Binary, DateTime, Uuid};
use serde::{Deserialize, Serialize};

/// A confirmed second factor. It is always written as a whole, and the precondition of the write is the version.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TotpRecord {
    /// The secret, sealed with the key-encryption key and bound to the id of the user.
    pub secret: Binary,
    pub enabled_at: DateTime,
    /// The time step of the last accepted code. A code of this step or of an earlier one is not accepted again.
    pub last_step: i64,
    /// Keyed hashes of the recovery codes that are not used.
    pub recovery_codes: Vec<Binary>,
    /// The tokens between password and second factor that were used and have not expired.
    #[serde(default)]
    pub used_tokens: Vec<UsedMfaToken>,
}

impl TotpRecord {
    /// Creates a second factor from its setup. It has accepted no code and has no recovery codes.
    #[must_use]
    pub fn from_setup(setup: &TotpSetup, now: jiff::Timestamp) -> Self {
        Self {
            secret: setup.secret.clone(),
            enabled_at: now.into(),
            last_step: 0,
            recovery_codes: Vec::new(),
            used_tokens: Vec::new(),
        }
    }
}

/// A token between password and second factor that was used for a login.
#[derive(Clone, Serialize, Deserialize)]
pub struct UsedMfaToken {
    pub id: Uuid,
    pub until: DateTime,
}

/// A second factor that is being set up.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TotpSetup {
    /// The secret, sealed like [`TotpRecord::secret`].
    pub secret: Binary,
    pub expires_at: DateTime,
}
