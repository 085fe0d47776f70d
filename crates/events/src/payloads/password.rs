//! Events of the password: it is changed and reset.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Recipient, TokenGrant};

/// The reason of a password change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordChangeReason {
    /// The user changed it with the old password. All other sessions have ended.
    Change,
    /// The user set a new one with a reset link. All sessions have ended.
    Reset,
}

/// The password changed. Causes a notice, with an undo link if `undo` is present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserPasswordChanged {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The reason of the change.
    pub reason: PasswordChangeReason,
    /// The recipient of the notice.
    pub recipient: Recipient,
    /// The token that makes the new password unusable and starts a reset; sealed to the
    /// recipient's address. Absent after a reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<TokenGrant>,
}

/// A password reset was requested. Causes the mail with the reset link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserPasswordResetRequested {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The recipient of the link.
    pub recipient: Recipient,
    /// The token that allows setting a new password; sealed to the recipient's address.
    pub reset: TokenGrant,
}
