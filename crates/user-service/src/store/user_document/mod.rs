//! One user as MongoDB has it: the fields of the document and nothing else.

mod pending_event;
mod second_factor;
mod tokens;

use bson::{Binary, Bson, DateTime, Document, Uuid, doc};
use serde::{Deserialize, Serialize};
use service_kit::mongo::StoreError;

pub use pending_event::{AuditDetails, NewEvent, Parked, PendingEvent};
pub use second_factor::{TotpRecord, TotpSetup, UsedMfaToken};
pub use tokens::{TokenRecord, UndoTokenRecord, UsedTokenRecord};

use crate::{
    domain::{Addresses, FactorTimes, Reservation, UndoLink, User, UserStatus, Usernames, role},
    hashing::PasswordHash,
};

/// What one account is in the collection `users`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserRecord {
    #[serde(rename = "_id")]
    pub id: Uuid,
    pub schema_version: i32,
    /// Raised by every write, by as many as it causes events.
    pub version: i64,
    pub username: String,
    /// The key of the current username. Of an account that has claimed none yet (see
    /// [`Self::unclaimed`]) it is one that no username has.
    pub username_key: String,
    /// The same and those of the usernames that are reserved; unique between users. Absent
    /// in documents of releases before, until the username is written again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub username_keys: Vec<String>,
    /// Earlier usernames that are kept for a while, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reserved_usernames: Vec<ReservedKey>,
    /// The account was registered while registrations were hidden, and its address was
    /// never verified: it cannot be signed in to, and has claimed no username.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unclaimed: bool,
    pub email: String,
    /// The current key first; reserved ones behind it. Unique between users.
    pub email_keys: Vec<String>,
    /// Earlier addresses that are kept for a while, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reserved: Vec<ReservedKey>,
    pub email_verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The JSON text: a document would turn `{"$date": …}` into a date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<String>,
    #[serde(default)]
    pub roles: Vec<String>,
    pub status: UserStatus,
    pub password_hash: String,
    pub sessions: SessionRule,
    #[serde(default)]
    pub tokens: Vec<TokenRecord>,
    /// One-time tokens that are used up, oldest first; at most five, and only for the pages behind their links.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_tokens: Vec<UsedTokenRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<IdempotencyRecord>,
    /// The second factor, when it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totp: Option<TotpRecord>,
    /// A second factor that is not confirmed yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totp_setup: Option<TotpSetup>,
    /// Since when the account has its second factor, as an undo counts it; see `domain::undo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_factor_since: Option<DateTime>,
    /// When the second factor was turned off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_factor_off_at: Option<DateTime>,
    /// Undo links, oldest first; not among `tokens`, whose purposes the release before reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo_tokens: Vec<UndoTokenRecord>,
    /// The file that the account came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imported: Option<ImportedFrom>,
    pub created_at: DateTime,
    pub updated_at: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_login_at: Option<DateTime>,
    /// Where successful logins came from, the latest first; at most eight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_networks: Vec<KnownNetwork>,
    /// The account was under attack, and its owner was told; what holds the attacker is
    /// in `throttles`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked_until: Option<DateTime>,
    #[serde(default)]
    pub pending_events: Vec<PendingEvent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked: Option<Parked>,
}

/// A line of an imported file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportedFrom {
    /// The id in `imports`.
    pub import: String,
    /// Counted from one.
    pub line: i64,
    pub at: DateTime,
}

/// Which sessions live: those of this epoch, and the one kept.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct SessionRule {
    pub epoch: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Uuid>,
}

/// The key of an address or username that a change left behind: no other account gets it
/// before `until`.
#[derive(Clone, Serialize, Deserialize)]
pub struct ReservedKey {
    pub key: String,
    pub until: DateTime,
}

impl ReservedKey {
    /// As the document has it.
    #[must_use]
    pub fn document(reservation: &Reservation) -> Document {
        doc! { "key": &reservation.key, "until": DateTime::from(reservation.until) }
    }

    fn reservation(&self) -> Reservation {
        Reservation { key: self.key.clone(), until: self.until.into() }
    }
}

/// A network that somebody logged in from: a keyed hash, bound to the user.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownNetwork {
    pub network: Binary,
    pub last_seen: DateTime,
}

/// A registration's `Idempotency-Key`.
#[derive(Clone, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    pub key: String,
    /// HMAC of the canonical body without the password.
    pub fingerprint: Binary,
    pub until: DateTime,
}

impl UserRecord {
    /// The domain's view.
    #[must_use]
    pub fn user(&self) -> User {
        User {
            id: self.id.into(),
            version: self.version,
            username: self.username.clone(),
            email: self.email.clone(),
            email_verified: self.email_verified,
            display_name: self.display_name.clone(),
            locale: self.locale.clone(),
            timezone: self.timezone.clone(),
            attributes: self.attributes.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            roles: self.roles.clone(),
            status: self.status,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
            last_login_at: self.last_login_at.map(Into::into),
        }
    }

    /// The account's addresses.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        Addresses {
            current: self.email_keys.first().cloned().unwrap_or_default(),
            reserved: self.reserved.iter().map(ReservedKey::reservation).collect(),
        }
    }

    /// The undo links, oldest first.
    #[must_use]
    pub fn undo_links(&self) -> Vec<UndoLink> {
        let link = |record: &UndoTokenRecord| {
            Some(UndoLink {
                digest: record.hash.bytes.as_slice().try_into().ok()?,
                purpose: record.purpose,
                to: record.to.clone(),
                expires_at: record.expires_at.into(),
            })
        };
        self.undo_tokens.iter().filter_map(link).collect()
    }

    /// When the second factor was turned on and off, as an undo counts it.
    #[must_use]
    pub fn factor_times(&self) -> FactorTimes {
        FactorTimes {
            since: self.second_factor_since.map(Into::into),
            off_at: self.second_factor_off_at.map(Into::into),
        }
    }

    /// Since when the account has the second factor that is on.
    #[must_use]
    pub fn factor_since(&self) -> Option<jiff::Timestamp> {
        // Releases before did not write the one, but the other.
        let since = self.totp.as_ref().map(|totp| self.second_factor_since.unwrap_or(totp.enabled_at));
        since.map(Into::into)
    }

    /// The account's usernames.
    #[must_use]
    pub fn usernames(&self) -> Usernames {
        Usernames {
            current: self.username_key.clone(),
            reserved: self.reserved_usernames.iter().map(ReservedKey::reservation).collect(),
        }
    }

    /// Whether the username with this key is the account's at `now`, current or reserved.
    #[must_use]
    pub fn holds_username(&self, key: &str, now: jiff::Timestamp) -> bool {
        self.username_key == key
            || self.reserved_usernames.iter().any(|kept| kept.key == key && now < kept.until.to_jiff())
    }

    /// Words that are this person's, and no password of theirs.
    #[must_use]
    pub fn context_words(&self) -> Vec<&str> {
        [Some(self.username.as_str()), Some(self.email.as_str()), self.display_name.as_deref()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// The stored hash, for the hash pool.
    ///
    /// # Errors
    /// When what is stored is no hash: somebody else wrote it.
    pub fn password_hash(&self) -> Result<PasswordHash, StoreError> {
        PasswordHash::parse(self.password_hash.clone()).map_err(|error| mongodb::error::Error::custom(error).into())
    }

    /// Whether the account administrates: it has the role and may be used.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.status == UserStatus::Active && role::administrate(&self.roles)
    }

    /// Whether a session of this id and epoch lives, as far as the user decides it.
    #[must_use]
    pub fn is_session_valid(&self, id: uuid::Uuid, epoch: i64) -> bool {
        epoch == self.sessions.epoch || self.sessions.keep == Some(id.into())
    }
}

/// The fields of an account with these usernames, but for how the current one is written.
#[must_use]
pub fn username_fields(usernames: &Usernames) -> Document {
    let reserved: Vec<Document> = usernames.reserved.iter().map(ReservedKey::document).collect();
    doc! {
        "usernameKey": &usernames.current,
        "usernameKeys": usernames.keys(),
        "reservedUsernames": if reserved.is_empty() { Bson::Null } else { reserved.into() },
    }
}
