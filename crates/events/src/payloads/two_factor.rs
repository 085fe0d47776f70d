//! Events of the second factor: TOTP and recovery codes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Recipient, TokenGrant};

/// The user turned on TOTP. Causes a notice, with an undo link if `undo` is present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserTotpEnabled {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The recipient of the notice.
    pub recipient: Recipient,
    /// The token that turns TOTP off again; sealed to the recipient's address. Absent if the
    /// account had a second factor shortly before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<TokenGrant>,
}

/// The actor who turned off TOTP, if it was not the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TotpDisabledBy {
    /// An administrator, through the API.
    Admin,
    /// The operator of the service, on its command line.
    Operator,
    /// The owner of the mailbox, who verified the address for the first time or undid the change.
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
    /// The actor who turned off TOTP; absent if it was the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<TotpDisabledBy>,
}

/// The user got a new set of recovery codes; all earlier codes are void. Causes a notice,
/// with an undo link if `undo` is present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRecoveryCodesRenewed {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The recipient of the notice.
    pub recipient: Recipient,
    /// The token that voids the new codes; sealed to the recipient's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<TokenGrant>,
}

/// A recovery code was used instead of TOTP. Causes a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRecoveryCodeUsed {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The number of remaining codes.
    pub remaining: u32,
    /// The recipient of the notice.
    pub recipient: Recipient,
}
