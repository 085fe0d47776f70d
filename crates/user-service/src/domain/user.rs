//! An account as everyone but the store sees it: nothing secret.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Whether the account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserStatus {
    Active,
    Disabled,
}

impl UserStatus {
    /// As the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

/// An account.
#[derive(Debug, Clone)]
pub struct User {
    pub id: Uuid,
    pub version: i64,
    pub username: String,
    pub email: String,
    pub email_verified: bool,
    pub display_name: Option<String>,
    pub locale: Option<String>,
    pub timezone: Option<String>,
    pub attributes: Option<serde_json::Value>,
    pub roles: Vec<String>,
    pub status: UserStatus,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_login_at: Option<Timestamp>,
}

impl User {
    /// Where this person's mail goes, and in which language.
    #[must_use]
    pub fn recipient(&self) -> events::Recipient {
        events::Recipient {
            email: self.email.clone(),
            display_name: self.display_name.clone(),
            locale: self.locale.clone(),
        }
    }
}
