//! One user as MongoDB has it: the fields of the document and nothing else.

use bson::{Binary, Bson, DateTime, Document, Uuid, doc, spec::BinarySubtype};
use events::sealing::Purpose;
use serde::{Deserialize, Serialize};
use service_kit::mongo::StoreError;

use crate::{
    domain::{Addresses, FactorTimes, Reservation, UndoLink, User, UserStatus, Usernames, role},
    hashing::PasswordHash,
};

/// How long a page can tell that its link was used.
const USED_TOKEN_RETENTION: jiff::SignedDuration = jiff::SignedDuration::from_hours(30 * 24);

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

/// A confirmed second factor. It is only ever written as a whole, decided on the version.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TotpRecord {
    /// Sealed with the key-encryption key, bound to the user's id.
    pub secret: Binary,
    pub enabled_at: DateTime,
    /// The time step of the last code that was accepted: none of it or before it is again.
    pub last_step: i64,
    /// Keyed hashes of the recovery codes that are left.
    pub recovery_codes: Vec<Binary>,
    /// The tokens between password and second factor that were used and have not expired.
    #[serde(default)]
    pub used_tokens: Vec<UsedMfaToken>,
}

impl TotpRecord {
    /// Of which no code was accepted yet, without recovery codes.
    #[must_use]
    pub fn from_setup(setup: &TotpSetup, now: jiff::Timestamp) -> Self {
        Self {
            secret: setup.secret.clone(),
            enabled_at: now.into(),
            last_step: 0,
            recovery_codes: Vec::new(),
            used_tokens: Vec::new(),
        }
    }
}

/// A token of which a login was made.
#[derive(Clone, Serialize, Deserialize)]
pub struct UsedMfaToken {
    pub id: Uuid,
    pub until: DateTime,
}

/// A second factor that somebody has begun to set up.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TotpSetup {
    /// Sealed as [`TotpRecord::secret`].
    pub secret: Binary,
    pub expires_at: DateTime,
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

/// An event that is not yet known to be in the topic.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingEvent {
    pub id: Uuid,
    #[serde(rename = "type")]
    pub event_type: String,
    pub sequence: i64,
    pub at: DateTime,
    /// The payload as it is published: JSON text.
    pub data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<String>,
    pub audit: AuditDetails,
}

/// The private part of a pending event: never published.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct AuditDetails {
    /// Who did it: `self`, `system`, or an admin's id.
    pub actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Why an admin or operator did it, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl PendingEvent {
    /// The admin who did it to the account of somebody else, `user`.
    #[must_use]
    pub fn acting_admin(&self, user: uuid::Uuid) -> Option<uuid::Uuid> {
        uuid::Uuid::try_parse(&self.audit.actor).ok().filter(|admin| *admin != user)
    }

    /// What the log of `user` holds of it: of an admin no more than the id and the reason.
    /// Address and client are the admin's, and are in the admin's own log.
    #[must_use]
    pub fn audit_details_for(&self, user: uuid::Uuid) -> AuditDetails {
        match self.acting_admin(user) {
            Some(_) => AuditDetails { address: None, client: None, ..self.audit.clone() },
            None => self.audit.clone(),
        }
    }
}

/// The broker refused an event of this user for itself; tried again at `until`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Parked {
    pub until: DateTime,
    pub attempts: i32,
    pub error: String,
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

/// Bytes as MongoDB stores them.
pub(crate) fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}
