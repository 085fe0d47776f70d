//! The one-time tokens and undo links of an account, and the tokens that are used up.

use bson::{Binary, DateTime};
use events::sealing::Purpose;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{KeyReservation, MailedLink, UndoLink, expires_at, lifetimes},
    store::collection::binary,
};

/// A one-time token: its SHA-256 hash, its purpose, and the email address that it is bound to.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRecord {
    pub hash: Binary,
    pub purpose: Purpose,
    /// The key of the email address that the token was mailed to.
    pub to: String,
    /// The same email address as it was typed. Set only if the use of the token makes it the address of the
    /// account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    pub expires_at: DateTime,
    /// When the token was issued. Set only where it matters: for a change of the email address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<DateTime>,
}

impl TokenRecord {
    /// Creates a token from its digest.
    #[must_use]
    pub fn new(link: &MailedLink, to: &str) -> Self {
        Self {
            hash: binary(&link.token.digest()),
            purpose: link.purpose,
            to: to.to_owned(),
            address: None,
            expires_at: link.expires_at.into(),
            issued_at: None,
        }
    }

    /// Sets the time at which the token was issued.
    #[must_use]
    pub fn with_issued_at(self, issued_at: jiff::Timestamp) -> Self {
        Self { issued_at: Some(issued_at.into()), ..self }
    }

    /// Sets the email address that the account gets when the token is used.
    #[must_use]
    pub fn with_address(self, address: &str) -> Self {
        Self { address: Some(address.to_owned()), ..self }
    }

    /// Returns the record that is kept for a while after the token is used up.
    #[must_use]
    pub fn used(&self, now: jiff::Timestamp) -> UsedTokenRecord {
        UsedTokenRecord::new(self.hash.clone(), self.purpose, &self.to, now)
    }

    /// Returns the reservation that was made together with this token, which must be an undo token.
    #[must_use]
    pub fn reservation(&self) -> KeyReservation {
        KeyReservation { key: self.to.clone(), until: self.expires_at.into() }
    }
}

/// A link that undoes a change of the password, of TOTP or of the recovery codes, or disowns a sign-in.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UndoTokenRecord {
    /// The SHA-256 hash of the token.
    pub hash: Binary,
    pub purpose: Purpose,
    /// The key of the email address that the link was mailed to.
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

/// An invitation that is not accepted yet. It is not among `tokens`, because the previous release decodes the purposes
/// there.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InvitationRecord {
    /// The SHA-256 hash of the token in the newest link.
    pub hash: Binary,
    /// The key of the email address that the link was mailed to.
    pub to: String,
    pub expires_at: DateTime,
    /// The username that the service made up for the account, because the invited person will choose one. Absent if
    /// the username was chosen with the invitation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<String>,
}

impl InvitationRecord {
    /// Creates the invitation with this link.
    #[must_use]
    pub fn new(link: &MailedLink, to: &str, placeholder: Option<String>) -> Self {
        Self { hash: binary(&link.token.digest()), to: to.to_owned(), expires_at: link.expires_at.into(), placeholder }
    }

    /// Returns the record that is kept for a while after the link is used up.
    #[must_use]
    pub fn used(&self, now: jiff::Timestamp) -> UsedTokenRecord {
        UsedTokenRecord::new(self.hash.clone(), Purpose::Invitation, &self.to, now)
    }
}

/// A one-time token that is used up: it was used itself, or the use of another token left it without a purpose.
#[derive(Clone, Serialize, Deserialize)]
pub struct UsedTokenRecord {
    pub hash: Binary,
    pub purpose: Purpose,
    /// The key of the email address that the token was mailed to.
    pub to: String,
    pub until: DateTime,
}

impl UsedTokenRecord {
    /// Creates the record of a token that is used up at `now`.
    #[must_use]
    pub fn new(hash: Binary, purpose: Purpose, to: &str, now: jiff::Timestamp) -> Self {
        Self { hash, purpose, to: to.to_owned(), until: expires_at(now, lifetimes::USED_LINK).into() }
    }
}
