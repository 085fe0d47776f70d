//! The document of a session in the collection `sessions`. It contains no token, only what is needed to verify one.

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
    /// The session epoch of the user at login.
    pub epoch: i64,
    pub salt: Binary,
    /// The number of the current refresh token.
    pub n: i64,
    /// The number of the spent token that was exchanged for the current one, because the token between the two
    /// was never presented; see [`SessionStore::rotate`](super::SessionStore::rotate).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retried_from: Option<i64>,
    pub created_at: DateTime,
    /// The time of the login or of the last refresh.
    pub last_used_at: DateTime,
    pub rotated_at: DateTime,
    /// The end of the idle or of the maximum lifetime, whichever is first. The row is deleted then.
    pub expires_at: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The hash of the cookie, if a browser holds the session for the pages. Such a session has no refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie_hash: Option<Binary>,
    /// The time of the last reauthentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticated_at: Option<DateTime>,
    /// Whether the second factor was given at that time (without a reauthentication, at the login) or later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub second_factor: bool,
}

impl SessionRow {
    /// Returns when the user of the session authenticated last: by the login or by a reauthentication.
    #[must_use]
    pub fn authenticated_at(&self) -> DateTime {
        self.authenticated_at.unwrap_or(self.created_at)
    }

    /// Returns the position of the session in a list that is sorted newest first.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { at: self.created_at.timestamp_millis(), id: self.id.into() }
    }
}
