//! The second factor: TOTP and recovery codes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Recipient, TokenGrant};

/// The user turned TOTP on. Causes a notice, with the undo link if there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserTotpEnabled {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The recipient of the notice.
    pub recipient: Recipient,
    /// Turns TOTP off again; sealed to the recipient's address. Absent if the account had
    /// a second factor shortly before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<TokenGrant>,
}

/// Who turned TOTP off, if it was not the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TotpDisabledBy {
    /// An administrator, through the API.
    Admin,
    /// The operator of the service, from its command line.
    Operator,
    /// The owner of the mailbox, who proved it for the first time or undid the change.
    Mailbox,
}

/// TOTP was turned off. Causes a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserTotpDisabled {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The recipient of the notice.
    pub recipient: Recipient,
    /// Who turned it off; absent if it was the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<TotpDisabledBy>,
}

/// The user got a new set of recovery codes; all earlier codes are void. Causes a notice,
/// with the undo link if there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRecoveryCodesRenewed {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The recipient of the notice.
    pub recipient: Recipient,
    /// Voids the new codes; sealed to the recipient's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<TokenGrant>,
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
