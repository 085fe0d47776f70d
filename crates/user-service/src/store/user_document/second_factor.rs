//! The second factor of an account: on, or being set up.

use bson::{Binary, DateTime, Uuid};
use serde::{Deserialize, Serialize};

/// A confirmed second factor. It is only ever written as a whole, decided on the version.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TotpRecord {
    /// Sealed with the key-encryption key, bound to the user's id.
    pub secret: Binary,
    pub enabled_at: DateTime,
    /// The time step of the last code that was accepted: none of it or before it is again.
    pub last_step: i64,
    /// Keyed hashes of the recovery codes that are left.
    pub recovery_codes: Vec<Binary>,
    /// The tokens between password and second factor that were used and have not expired.
    #[serde(default)]
    pub used_tokens: Vec<UsedMfaToken>,
}

impl TotpRecord {
    /// Of which no code was accepted yet, without recovery codes.
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

/// A token of which a login was made.
#[derive(Clone, Serialize, Deserialize)]
pub struct UsedMfaToken {
    pub id: Uuid,
    pub until: DateTime,
}

/// A second factor that somebody has begun to set up.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TotpSetup {
    /// Sealed as [`TotpRecord::secret`].
    pub secret: Binary,
    pub expires_at: DateTime,
}
