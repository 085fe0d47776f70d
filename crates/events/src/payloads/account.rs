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
