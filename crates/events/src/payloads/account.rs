//! An account comes to be, changes and goes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Recipient, TokenGrant};

/// Somebody registered. Causes the welcome mail, with the verification link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRegistered {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The user name as the person wrote it.
    pub username: String,
    /// Whom to welcome.
    pub recipient: Recipient,
    /// Proves the address; sealed to it.
    pub verification: TokenGrant,
}

/// A client tried to register with the address of this account, while the service hides
/// which addresses have an account. Causes a mail that tells the owner, with a reset link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRegistrationAttempted {
    /// The user who has the address, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The owner of the address.
    pub recipient: Recipient,
    /// Permits to set a new password; sealed to the recipient's address.
    pub reset: TokenGrant,
}

/// The owner of the mailbox said, by the verification link, that the account is not
/// theirs: its password is unusable, and its second factors and sessions are gone. The
/// account stays unverified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserDisowned {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
}

/// Which change an undo link took back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UndoneChange {
    /// A change of the password: the present password is unusable, and a reset was started.
    Password,
    /// TOTP that was turned on: it is off again.
    Totp,
    /// New recovery codes: they are void.
    RecoveryCodes,
}

/// The owner of the mailbox took a change back by the link in its notice. All sessions
/// ended. Causes a notice. A change of address that was taken back is
/// `user.email_change_undone.v1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserChangeUndone {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// What was taken back.
    pub change: UndoneChange,
    /// The recipient of the notice.
    pub recipient: Recipient,
}

/// An account was taken over from another system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserImported {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The user name.
    pub username: String,
    /// Whether the person is to get a welcome mail.
    pub welcome: bool,
    /// Whom to welcome, if `welcome`.
    pub recipient: Recipient,
}

/// The person or an administrator changed the profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserProfileUpdated {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The names of the changed members, such as `displayName`; never their values.
    /// The set is open: expect names that you do not know.
    pub changed: Vec<String>,
}

/// Who deleted an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeletedBy {
    /// The person.
    #[serde(rename = "self")]
    SelfService,
    /// An administrator.
    Admin,
}

/// The account is gone, and its address and user name are free again. The last event
/// of its user. Causes the goodbye mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserDeleted {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// Who deleted it.
    pub by: DeletedBy,
    /// Whom to say goodbye to: the address as it was.
    pub recipient: Recipient,
}
