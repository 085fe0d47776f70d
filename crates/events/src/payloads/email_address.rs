//! The e-mail address is verified and changed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Recipient, TokenGrant};

/// The verification link was asked for again. Causes the verification mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEmailVerificationRequested {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// Whom to send the link to.
    pub recipient: Recipient,
    /// Proves the address; sealed to it.
    pub verification: TokenGrant,
}

/// The person proved that the address is theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEmailVerified {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The verified address.
    pub email: String,
}

/// A change of address was asked for and waits to be confirmed. Causes two mails: the
/// confirmation link to `newEmail`, a notice to the recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEmailChangeRequested {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The address to be; the confirmation goes there.
    pub new_email: String,
    /// The present address, which is told.
    pub recipient: Recipient,
    /// Confirms the change; sealed to `newEmail`.
    pub confirmation: TokenGrant,
    /// The username of the account, which the confirmation names. Absent in events of
    /// earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// The address changed. Causes a notice with the undo link to the old address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEmailChanged {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The address until now.
    pub old_email: String,
    /// The address from now on.
    pub new_email: String,
    /// The old address, which is told.
    pub recipient: Recipient,
    /// Takes the change back; sealed to `oldEmail`.
    pub undo: TokenGrant,
}

/// A change of address was taken back: the old one is in force again. Causes a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEmailChangeUndone {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The address that is in force again.
    pub recipient: Recipient,
}
