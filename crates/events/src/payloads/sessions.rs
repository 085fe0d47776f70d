//! Events of sessions: they begin and end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A proof of identity in a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LoginMethod {
    /// The password.
    Password,
    /// A code of an authenticator app.
    Totp,
    /// A recovery code.
    RecoveryCode,
}

/// A session began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserLoggedIn {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The new session.
    pub session_id: Uuid,
    /// The proofs that the user gave, in that order.
    pub methods: Vec<LoginMethod>,
}

/// The reason why sessions ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SessionsEndedReason {
    /// The user ended all their other sessions.
    User,
    /// An administrator ended all sessions.
    Admin,
    /// A change of the email address was undone, which ends all sessions.
    EmailChangeUndone,
    /// An old refresh token was used again, which ends its session.
    Reuse,
}

/// Sessions ended without a logout. The events of a changed password, a disabled account
/// and a deleted account imply the end of sessions; they are not accompanied by this event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserSessionsEnded {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The reason why they ended.
    pub reason: SessionsEndedReason,
}
