//! The password is changed and reset.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Recipient, TokenGrant};

/// How a password came to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordChangeReason {
    /// The person knew the old one. Their other sessions ended.
    Change,
    /// By a reset link. All sessions ended.
    Reset,
}

/// The password changed. Causes a notice, with the undo link if there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserPasswordChanged {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// How.
    pub reason: PasswordChangeReason,
    /// The recipient of the notice.
    pub recipient: Recipient,
    /// Makes the password unusable and starts a reset; sealed to the recipient's address.
    /// Absent after a reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<TokenGrant>,
}

/// A password reset was asked for. Causes the mail with the reset link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserPasswordResetRequested {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// Whom to send the link to.
    pub recipient: Recipient,
    /// Permits to set a new password; sealed to the recipient's address.
    pub reset: TokenGrant,
}
