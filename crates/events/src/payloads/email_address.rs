//! Events of the email address: it is verified and changed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Recipient, TokenGrant};

/// The verification link was requested again. Causes the verification mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEmailVerificationRequested {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The recipient of the link.
    pub recipient: Recipient,
    /// The token that verifies the email address; sealed to that address.
    pub verification: TokenGrant,
}

/// The user proved that the email address is theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEmailVerified {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The verified email address.
    pub email: String,
}

/// A change of the email address was requested and has to be confirmed. Causes two mails:
/// the confirmation link to `newEmail`, and a notice to the recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEmailChangeRequested {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The new email address, which gets the confirmation link.
    pub new_email: String,
    /// The current email address, which gets the notice.
    pub recipient: Recipient,
    /// The token that confirms the change; sealed to `newEmail`.
    pub confirmation: TokenGrant,
    /// The username of the account, which the confirmation mail mentions. Absent in events of
    /// earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// The email address changed. Causes a notice with the undo link to the old address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEmailChanged {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The old email address.
    pub old_email: String,
    /// The new email address.
    pub new_email: String,
    /// The old email address, which gets the notice.
    pub recipient: Recipient,
    /// The token that undoes the change; sealed to `oldEmail`.
    pub undo: TokenGrant,
}

/// A change of the email address was undone: the account has the old address again. Causes
/// a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEmailChangeUndone {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The email address that the account has again.
    pub recipient: Recipient,
}
