//! One session as MongoDB has it. No token is stored: only what proves one.

use bson::{Binary, DateTime, Uuid};
use serde::{Deserialize, Serialize};

use crate::domain::Cursor;

/// A row of the collection `sessions`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRow {
    #[serde(rename = "_id")]
    pub id: Uuid,
    pub schema_version: i32,
    pub user_id: Uuid,
    /// The user's session epoch at login.
    pub epoch: i64,
    pub salt: Binary,
    /// The number of the refresh token that is current.
    pub n: i64,
    /// The number of the spent token that the current one was given for, where the one
    /// between the two was never presented; see [`SessionStore::rotate`](super::SessionStore::rotate).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retried_from: Option<i64>,
    pub created_at: DateTime,
    /// The login, or the last refresh.
    pub last_used_at: DateTime,
    pub rotated_at: DateTime,
    /// Idle or maximal lifetime, whichever is first; the row goes then.
    pub expires_at: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl SessionRow {
    /// Its place in a list that is newest first.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { at: self.created_at.timestamp_millis(), id: self.id.into() }
    }
}
