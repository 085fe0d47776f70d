//! An account without its secrets, as every layer except the store sees it.

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
    /// Returns the name of the status in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

/// An account without its secrets.
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
    /// Whether the account was created by an invitation that is not accepted yet.
    pub invited: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_login_at: Option<Timestamp>,
}

impl User {
    /// Returns the recipient of mails to this user, with their language. The display name is left out until the address
    /// is verified: before that, it may be a text that an attacker wants to have mailed to another person's address.
    #[must_use]
    pub fn recipient(&self) -> events::Recipient {
        events::Recipient {
            email: self.email.clone(),
            display_name: self.display_name.clone().filter(|_| self.email_verified),
            locale: self.locale.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_has_a_name_once_the_address_is_verified() {
        let mut user = User {
            id: Uuid::nil(),
            version: 1,
            username: "ada".into(),
            email: "ada@example.org".into(),
            email_verified: false,
            display_name: Some("You won 8755 EUR".into()),
            locale: Some("de".into()),
            timezone: None,
            attributes: None,
            roles: Vec::new(),
            status: UserStatus::Active,
            invited: false,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            last_login_at: None,
        };
        let recipient = user.recipient();
        assert_eq!((recipient.display_name, recipient.locale.as_deref()), (None, Some("de")));
        user.email_verified = true;
        assert_eq!(user.recipient().display_name.as_deref(), Some("You won 8755 EUR"));
    }
}
