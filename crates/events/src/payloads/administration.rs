//! Events of administration: an account is locked, disabled, and given roles.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Recipient;

/// After too many failed logins the account refuses logins for a time. Causes a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserLocked {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The time when logins are accepted again (RFC 3339).
    pub until: Timestamp,
    /// The recipient of the notice.
    pub recipient: Recipient,
}

/// The account was unlocked before the lock expired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserUnlocked {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
}

/// The actor who changed the roles of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RolesChangedBy {
    /// An administrator, through the API.
    Admin,
    /// The operator of the service, on its command line.
    Operator,
}

/// The roles of the user changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRolesChanged {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// All roles of the user after the change. The set is open: expect unknown names.
    pub roles: Vec<String>,
    /// The actor who changed the roles.
    pub by: RolesChangedBy,
}

/// The actor who disabled or enabled an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StatusChangedBy {
    /// An administrator.
    Admin,
}

/// The account was disabled: it refuses logins, and all its sessions have ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserDisabled {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The actor who disabled the account.
    pub by: StatusChangedBy,
}

/// The account was enabled: it accepts logins again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEnabled {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The actor who enabled the account.
    pub by: StatusChangedBy,
}
