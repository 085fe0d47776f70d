//! Sessions begin and end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a login was proved with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LoginMethod {
    /// The password.
    Password,
    /// A code of the authenticator app.
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
    /// What the person proved who they are with, in that order.
    pub methods: Vec<LoginMethod>,
}

/// Why sessions ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SessionsEndedReason {
    /// The person ended all of their other sessions.
    User,
    /// An administrator ended all sessions.
    Admin,
    /// A change of address was taken back, which ends all sessions.
    EmailChangeUndone,
    /// An old refresh token was used again, so its session ended.
    Reuse,
}

/// Sessions ended other than by a logout. The events of a changed password, a disabled
/// and a deleted account imply the end of sessions; this one does not accompany them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserSessionsEnded {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// Why.
    pub reason: SessionsEndedReason,
}
