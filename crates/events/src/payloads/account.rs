//! Events of an account: it is registered, changed and deleted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Recipient, TokenGrant};

/// A user registered. Causes the welcome mail with the verification link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRegistered {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The username as the user wrote it.
    pub username: String,
    /// The recipient of the welcome mail.
    pub recipient: Recipient,
    /// The token that verifies the email address; sealed to that address.
    pub verification: TokenGrant,
}

/// A client tried to register with the email address of this account, while the service hides
/// which addresses have an account. Causes a mail to the owner with a reset link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRegistrationAttempted {
    /// The user who has the email address, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The owner of the email address.
    pub recipient: Recipient,
    /// The token that allows setting a new password; sealed to the recipient's address.
    pub reset: TokenGrant,
}

/// The owner of the mailbox reported, with the verification link, that the account is not
/// theirs. Its password is unusable, its second factors are removed, and its sessions have
/// ended. The account stays unverified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserDisowned {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
}

/// The change that an undo link reverted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UndoneChange {
    /// A password change: the current password is unusable, and a reset was started.
    Password,
    /// TOTP was turned on: it is off again.
    Totp,
    /// New recovery codes were created: they are void.
    RecoveryCodes,
}

/// The owner of the mailbox undid a change with the link in its notice. All sessions have
/// ended. Causes a notice. If a change of the email address was undone, the event is
/// `user.email_change_undone.v1` instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserChangeUndone {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The change that was undone.
    pub change: UndoneChange,
    /// The recipient of the notice.
    pub recipient: Recipient,
}

/// An account was imported from another system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserImported {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The username.
    pub username: String,
    /// Whether the user gets a welcome mail.
    pub welcome: bool,
    /// The recipient of the welcome mail, if `welcome` is true.
    pub recipient: Recipient,
}

/// The user or an administrator changed the profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserProfileUpdated {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The names of the changed members, such as `displayName`, without their values. The set
    /// is open: expect unknown names.
    pub changed: Vec<String>,
}

/// The actor who deleted an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeletedBy {
    /// The user.
    #[serde(rename = "self")]
    SelfService,
    /// An administrator.
    Admin,
}

/// The account was deleted, and its email address and username are available again. This
/// is the last event of the user. Causes the goodbye mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserDeleted {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The actor who deleted the account.
    pub by: DeletedBy,
    /// The recipient of the goodbye mail: the last email address.
    pub recipient: Recipient,
}
