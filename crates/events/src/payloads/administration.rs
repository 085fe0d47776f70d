//! An account is locked, disabled and given roles.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Recipient;

/// Too many failed logins: the account refuses logins for a while. Causes a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserLocked {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// When logins are accepted again (RFC 3339).
    pub until: Timestamp,
    /// Whom the notice goes to.
    pub recipient: Recipient,
}

/// The lock ended early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserUnlocked {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
}

/// Who changed the roles of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RolesChangedBy {
    /// An administrator, through the API.
    Admin,
    /// Whoever runs the service, from its command line.
    Operator,
}

/// The user has other roles now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRolesChanged {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// All roles from now on. The set is open: expect names that you do not know.
    pub roles: Vec<String>,
    /// Who changed them.
    pub by: RolesChangedBy,
}

/// Who disabled or enabled an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StatusChangedBy {
    /// An administrator.
    Admin,
}

/// The account refuses logins, and all its sessions ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserDisabled {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// Who disabled it.
    pub by: StatusChangedBy,
}

/// The account accepts logins again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEnabled {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// Who enabled it.
    pub by: StatusChangedBy,
}
