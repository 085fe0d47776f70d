//! The second factor: TOTP and recovery codes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Recipient;

/// The person turned TOTP on. Causes a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserTotpEnabled {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// Whom the notice goes to.
    pub recipient: Recipient,
}

/// TOTP was turned off. Causes a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserTotpDisabled {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// Whom the notice goes to.
    pub recipient: Recipient,
}

/// A recovery code stood in for TOTP. Causes a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRecoveryCodeUsed {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// How many codes are left.
    pub remaining: u32,
    /// Whom the notice goes to.
    pub recipient: Recipient,
}
