//! The one-time tokens and undo links of an account, and those that are used up.

use bson::{Binary, DateTime};
use events::sealing::Purpose;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{Reservation, UndoLink},
    store::binary,
};

/// How long a page can tell that its link was used.
const USED_TOKEN_RETENTION: jiff::SignedDuration = jiff::SignedDuration::from_hours(30 * 24);

/// A one-time token: its SHA-256, what it is for, and the address that it is bound to.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRecord {
    pub hash: Binary,
    pub purpose: Purpose,
    /// The key of the address that it was mailed to.
    pub to: String,
    /// That address as it was typed, where using the token makes it the account's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    pub expires_at: DateTime,
    /// When it was issued, where that matters: with a change of address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<DateTime>,
}

impl TokenRecord {
    /// From the token's digest.
    #[must_use]
    pub fn new(digest: [u8; 32], purpose: Purpose, to: &str, expires_at: jiff::Timestamp) -> Self {
        Self {
            hash: binary(&digest),
            purpose,
            to: to.to_owned(),
            address: None,
            expires_at: expires_at.into(),
            issued_at: None,
        }
    }

    /// With the time at which it was issued.
    #[must_use]
    pub fn with_issued_at(self, issued_at: jiff::Timestamp) -> Self {
        Self { issued_at: Some(issued_at.into()), ..self }
    }

    /// With the address that using it makes the account's.
    #[must_use]
    pub fn with_address(self, address: &str) -> Self {
        Self { address: Some(address.to_owned()), ..self }
    }

    /// The record that is kept of this token once it is used up, for a while.
    #[must_use]
    pub fn used(&self, now: jiff::Timestamp) -> UsedTokenRecord {
        UsedTokenRecord::new(self.hash.clone(), self.purpose, &self.to, now)
    }

    /// Of an undo token: the reservation that it was made with.
    #[must_use]
    pub fn reservation(&self) -> Reservation {
        Reservation { key: self.to.clone(), until: self.expires_at.into() }
    }
}

/// A link that takes back a change of the password, of TOTP or of the recovery codes.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UndoTokenRecord {
    /// The SHA-256 of the token.
    pub hash: Binary,
    pub purpose: Purpose,
    /// The key of the address that it was mailed to.
    pub to: String,
    pub expires_at: DateTime,
}

impl From<&UndoLink> for UndoTokenRecord {
    fn from(link: &UndoLink) -> Self {
        Self {
            hash: binary(&link.digest),
            purpose: link.purpose,
            to: link.to.clone(),
            expires_at: link.expires_at.into(),
        }
    }
}

/// A one-time token that is used up: by its own use, or by the use of another one that left it without a purpose.
#[derive(Clone, Serialize, Deserialize)]
pub struct UsedTokenRecord {
    pub hash: Binary,
    pub purpose: Purpose,
    /// The key of the address that it was mailed to.
    pub to: String,
    pub until: DateTime,
}

impl UsedTokenRecord {
    /// A record of a token that is used up at `now`.
    #[must_use]
    pub fn new(hash: Binary, purpose: Purpose, to: &str, now: jiff::Timestamp) -> Self {
        let until = now.saturating_add(USED_TOKEN_RETENTION).unwrap_or(jiff::Timestamp::MAX).into();
        Self { hash, purpose, to: to.to_owned(), until }
    }
}
