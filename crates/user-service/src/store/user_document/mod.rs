//! The document of an account in the collection `users`.

pub(in crate::store) mod pending_event;
mod second_factor;
mod tokens;

use bson::{Binary, Bson, DateTime, Document, Uuid, doc};
use serde::{Deserialize, Serialize};
use service_kit::mongo::StoreError;

pub use pending_event::{AuditDetails, NewEvent, Parked, PendingEvent};
pub use second_factor::{TotpRecord, TotpSetup, UsedMfaToken};
pub use tokens::{InvitationRecord, TokenRecord, UndoTokenRecord, UsedTokenRecord};

use crate::{
    domain::{
        Email, EmailHistory, KeyReservation, SecondFactorTimes, SignInPlace, UndoLink, User, UserStatus, Username,
        UsernameHistory, role,
    },
    hashing::PasswordHash,
    store::collection::SCHEMA_VERSION,
};

/// An account as it is stored in the collection `users`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserRecord {
    #[serde(rename = "_id")]
    pub id: Uuid,
    pub schema_version: i32,
    /// Every write raises it by the number of its events, and by at least one.
    pub version: i64,
    pub username: String,
    /// The key of the current username. An account that has not claimed a username (see [`Self::unclaimed`])
    /// has a key that no username can have.
    pub username_key: String,
    /// The keys of the current username and of the reserved usernames; unique among accounts. Documents of
    /// earlier releases do not have this field until the username is written again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub username_keys: Vec<String>,
    /// Earlier usernames that are still reserved, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reserved_usernames: Vec<ReservedKey>,
    /// Whether the account was registered while registrations were hidden, and its email address was never
    /// verified. Such an account cannot log in and has claimed no username.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unclaimed: bool,
    pub email: String,
    /// The key of the current email address, followed by the keys of the reserved addresses. Unique among
    /// accounts.
    pub email_keys: Vec<String>,
    /// Earlier email addresses that are still reserved, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reserved: Vec<ReservedKey>,
    pub email_verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The attributes as JSON text. In a BSON document, `{"$date": …}` would become a date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<String>,
    #[serde(default)]
    pub roles: Vec<String>,
    pub status: UserStatus,
    pub password_hash: String,
    pub sessions: SessionRule,
    #[serde(default)]
    pub tokens: Vec<TokenRecord>,
    /// One-time tokens that are used up, oldest first; at most five. Only the pages behind their links use
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_tokens: Vec<UsedTokenRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<IdempotencyRecord>,
    /// The second factor, if it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totp: Option<TotpRecord>,
    /// A second factor that is not confirmed yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totp_setup: Option<TotpSetup>,
    /// The time since which the account has its second factor, as an undo counts it; see `domain::undo_links`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_factor_since: Option<DateTime>,
    /// The time when the second factor was turned off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_factor_off_at: Option<DateTime>,
    /// Undo links, oldest first. They are not among `tokens`, because the previous release decodes the purposes
    /// there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo_tokens: Vec<UndoTokenRecord>,
    /// The invitation by which the account was created; see [`Self::open_invitation`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation: Option<InvitationRecord>,
    /// The line of the import file that the account came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imported: Option<ImportedFrom>,
    pub created_at: DateTime,
    pub updated_at: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_login_at: Option<DateTime>,
    /// The networks of successful logins, newest first; at most eight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_networks: Vec<KnownNetwork>,
    /// The places of logins, newest first; see `domain::sign_in_places`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sign_in_places: Vec<SignInPlaceRecord>,
    /// Set when the account was under attack and its owner was notified. The attacker is blocked by
    /// `throttles`, not by this field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked_until: Option<DateTime>,
    #[serde(default)]
    pub pending_events: Vec<PendingEvent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked: Option<Parked>,
}

/// A line of an import file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportedFrom {
    /// The id of the import in the collection `imports`.
    pub import: String,
    /// The number of the line, counted from one.
    pub line: i64,
    pub at: DateTime,
}

/// The rule that decides which sessions are valid: those of this epoch, and the session `keep`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct SessionRule {
    pub epoch: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Uuid>,
}

/// The key of an email address or username that the account had before a change. No other account can take it
/// before `until`.
#[derive(Clone, Serialize, Deserialize)]
pub struct ReservedKey {
    pub key: String,
    pub until: DateTime,
}

impl ReservedKey {
    /// Converts a reservation to its document.
    #[must_use]
    pub fn document(reservation: &KeyReservation) -> Document {
        doc! { "key": &reservation.key, "until": DateTime::from(reservation.until) }
    }

    fn reservation(&self) -> KeyReservation {
        KeyReservation { key: self.key.clone(), until: self.until.into() }
    }
}

/// A network that the user logged in from, as a keyed hash that is bound to the user.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownNetwork {
    pub network: Binary,
    pub last_seen: DateTime,
}

/// A pair of a device name and a network that the user logged in from, as a keyed hash that is bound to the user.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignInPlaceRecord {
    pub place: Binary,
    pub last_seen: DateTime,
}

/// The `Idempotency-Key` of a registration.
#[derive(Clone, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    pub key: String,
    /// The HMAC of the canonical body without the password.
    pub fingerprint: Binary,
    pub until: DateTime,
}

impl UserRecord {
    /// Creates the document of a new, active account without profile, roles and sessions.
    #[must_use]
    pub fn new(id: uuid::Uuid, username: &Username, email: &Email, hash: &PasswordHash, now: jiff::Timestamp) -> Self {
        Self {
            id: id.into(),
            schema_version: SCHEMA_VERSION,
            version: 1,
            username: username.as_str().to_owned(),
            username_key: username.key().to_owned(),
            username_keys: vec![username.key().to_owned()],
            reserved_usernames: Vec::new(),
            unclaimed: false,
            email: email.as_str().to_owned(),
            email_keys: vec![email.key().to_owned()],
            reserved: Vec::new(),
            email_verified: false,
            display_name: None,
            locale: None,
            timezone: None,
            attributes: None,
            roles: Vec::new(),
            status: UserStatus::Active,
            password_hash: hash.expose().to_owned(),
            sessions: SessionRule { epoch: 1, keep: None },
            tokens: Vec::new(),
            used_tokens: Vec::new(),
            idempotency: None,
            totp: None,
            totp_setup: None,
            second_factor_since: None,
            second_factor_off_at: None,
            undo_tokens: Vec::new(),
            invitation: None,
            imported: None,
            created_at: now.into(),
            updated_at: now.into(),
            last_login_at: None,
            known_networks: Vec::new(),
            sign_in_places: Vec::new(),
            locked_until: None,
            pending_events: Vec::new(),
            parked: None,
        }
    }

    /// Returns the account as the domain type.
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
            invited: self.open_invitation().is_some(),
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
            last_login_at: self.last_login_at.map(Into::into),
        }
    }

    /// Returns the email addresses of the account, current and reserved.
    #[must_use]
    pub fn email_history(&self) -> EmailHistory {
        EmailHistory {
            current: self.email_keys.first().cloned().unwrap_or_default(),
            reserved: self.reserved.iter().map(ReservedKey::reservation).collect(),
        }
    }

    /// Returns the invitation if it is not accepted yet. An account with a verified address has none: the previous
    /// release verifies the address at a password reset, and leaves the invitation in the document.
    #[must_use]
    pub fn open_invitation(&self) -> Option<&InvitationRecord> {
        self.invitation.as_ref().filter(|_| !self.email_verified)
    }

    /// Returns whether the invited person will choose the username: the account still has the one that the service
    /// made up.
    #[must_use]
    pub fn chooses_username(&self) -> bool {
        self.open_invitation().is_some_and(|invitation| invitation.placeholder.as_ref() == Some(&self.username))
    }

    /// Returns the events that are not yet known to be in the topic, oldest first.
    pub fn unpublished_events(&self) -> impl Iterator<Item = &PendingEvent> {
        self.pending_events.iter().filter(|entry| !entry.is_snapshot())
    }

    /// Returns the undo links, oldest first.
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

    /// Returns the places that the account was signed in from, newest first.
    #[must_use]
    pub fn sign_in_places(&self) -> Vec<SignInPlace> {
        let place = |record: &SignInPlaceRecord| {
            let digest = record.place.bytes.as_slice().try_into().ok()?;
            Some(SignInPlace { digest, last_seen: record.last_seen.into() })
        };
        self.sign_in_places.iter().filter_map(place).collect()
    }

    /// Returns when the second factor was turned on and off, as an undo counts it.
    #[must_use]
    pub fn factor_times(&self) -> SecondFactorTimes {
        SecondFactorTimes {
            since: self.second_factor_since.map(Into::into),
            off_at: self.second_factor_off_at.map(Into::into),
        }
    }

    /// Returns the time since which the second factor has been on, or `None` if it is off.
    #[must_use]
    pub fn factor_since(&self) -> Option<jiff::Timestamp> {
        // Earlier releases wrote `enabled_at` but not `second_factor_since`.
        let since = self.totp.as_ref().map(|totp| self.second_factor_since.unwrap_or(totp.enabled_at));
        since.map(Into::into)
    }

    /// Returns the usernames of the account, current and reserved.
    #[must_use]
    pub fn username_history(&self) -> UsernameHistory {
        UsernameHistory {
            current: self.username_key.clone(),
            reserved: self.reserved_usernames.iter().map(ReservedKey::reservation).collect(),
        }
    }

    /// Returns whether the username with this key belongs to the account at `now`, as its current username or
    /// as a reserved one.
    #[must_use]
    pub fn holds_username(&self, key: &str, now: jiff::Timestamp) -> bool {
        self.username_key == key
            || self.reserved_usernames.iter().any(|kept| kept.key == key && now < kept.until.to_jiff())
    }

    /// Returns the context-specific words of the user, which a password must not be based on.
    #[must_use]
    pub fn context_words(&self) -> Vec<&str> {
        [Some(self.username.as_str()), Some(self.email.as_str()), self.display_name.as_deref()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Returns the stored password hash, for the hash pool.
    ///
    /// # Errors
    /// Returns an error if the stored text is not a password hash. Only another program can have written it.
    pub fn password_hash(&self) -> Result<PasswordHash, StoreError> {
        PasswordHash::parse(self.password_hash.clone()).map_err(|error| mongodb::error::Error::custom(error).into())
    }

    /// Returns whether the account is active and has the admin role.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.status == UserStatus::Active && role::has_admin(&self.roles)
    }

    /// Returns whether a session with this id and epoch is valid as far as the account decides it. The session
    /// itself may have expired.
    #[must_use]
    pub fn is_session_valid(&self, id: uuid::Uuid, epoch: i64) -> bool {
        epoch == self.sessions.epoch || self.sessions.keep == Some(id.into())
    }
}

/// Returns the fields that store these usernames, except the spelling of the current one.
#[must_use]
pub fn username_fields(usernames: &UsernameHistory) -> Document {
    let reserved: Vec<Document> = usernames.reserved.iter().map(ReservedKey::document).collect();
    doc! {
        "usernameKey": &usernames.current,
        "usernameKeys": usernames.keys(),
        "reservedUsernames": if reserved.is_empty() { Bson::Null } else { reserved.into() },
    }
}
