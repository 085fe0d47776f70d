//! The export on the wire.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{audit_log::AuditEntryBody, user_body::UserBody};
use crate::usecase::{
    ExportedFactor, ExportedKey, ExportedPendingEvent, ExportedSession, ExportedToken, ExportedUsedLink, PersonalData,
};

/// Everything that is stored about a person. It is sent in parts; this is its documentation.
#[derive(Serialize, ToSchema)]
#[schema(as = Export)]
pub(crate) struct ExportBody {
    #[serde(flatten)]
    head: ExportHead,
    sessions: Vec<ExportedSessionBody>,
    audit: Vec<AuditEntryBody>,
}

/// All but the lists that may be long.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExportHead {
    #[schema(value_type = String, format = DateTime)]
    exported_at: Timestamp,
    account: UserBody,
    /// The forms of the addresses by which they are told apart, the current one first.
    email_keys: Vec<String>,
    /// The form of the user name by which it is told apart.
    username_key: String,
    /// Earlier usernames that no other account gets yet.
    reserved_usernames: Vec<KeyBody>,
    /// Earlier addresses that nobody else gets yet.
    reserved_addresses: Vec<KeyBody>,
    one_time_tokens: Vec<TokenBody>,
    /// Links that are used up, which their pages can tell for a while.
    used_links: Vec<UsedLinkBody>,
    /// Until when the registration's `Idempotency-Key` is honoured: it is stored as a keyed hash.
    #[schema(value_type = Option<String>, format = DateTime)]
    idempotency_key_until: Option<Timestamp>,
    second_factor: Option<FactorBody>,
    /// Until when a second factor that was begun can be confirmed.
    #[schema(value_type = Option<String>, format = DateTime)]
    second_factor_setup_until: Option<Timestamp>,
    /// Since when the account has a second factor, as the links that undo a change count it.
    #[schema(value_type = Option<String>, format = DateTime)]
    second_factor_since: Option<Timestamp>,
    /// When the second factor was turned off.
    #[schema(value_type = Option<String>, format = DateTime)]
    second_factor_off_at: Option<Timestamp>,
    /// Networks of successful logins, the latest first: stored as keyed hashes, which tell nobody more.
    known_networks: Vec<NetworkBody>,
    /// Somebody guessed at the account's password, and its owner was told.
    #[schema(value_type = Option<String>, format = DateTime)]
    locked_until: Option<Timestamp>,
    /// When the account was taken over from another system, if it was.
    #[schema(value_type = Option<String>, format = DateTime)]
    imported_at: Option<Timestamp>,
    /// Events that are not published yet.
    pending_events: Vec<WaitingEventBody>,
}

/// A link that was mailed and is not used.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExportedToken)]
pub(crate) struct TokenBody {
    purpose: &'static str,
    /// The form of the address that it was mailed to.
    address_key: String,
    /// The address as it was typed, where using the link makes it the account's.
    address: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// A link that was mailed and is used up.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExportedUsedLink)]
pub(crate) struct UsedLinkBody {
    purpose: &'static str,
    /// The form of the address that it was mailed to.
    address_key: String,
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

/// The form of an address that is kept for a while.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedKey)]
pub(crate) struct KeyBody {
    key: String,
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

/// The second factor that is on.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExportedSecondFactor)]
pub(crate) struct FactorBody {
    #[schema(value_type = String, format = DateTime)]
    enabled_at: Timestamp,
    recovery_codes_left: usize,
}

/// A network that the person has logged in from.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExportedNetwork)]
pub(crate) struct NetworkBody {
    #[schema(value_type = String, format = DateTime)]
    last_seen: Timestamp,
}

/// An event that waits to be published.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedEvent)]
pub(crate) struct WaitingEventBody {
    id: Uuid,
    #[serde(rename = "type")]
    event_type: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

/// A session, also one that has ended and is still stored.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExportedSession)]
pub(crate) struct ExportedSessionBody {
    id: Uuid,
    device: Option<String>,
    user_agent: Option<String>,
    address: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    rotated_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    ended: bool,
}

impl ExportHead {
    pub(super) fn new(data: PersonalData, exported_at: Timestamp) -> Self {
        Self {
            exported_at,
            account: data.user.into(),
            email_keys: data.email_keys,
            username_key: data.username_key,
            reserved_usernames: data.reserved_usernames.into_iter().map(KeyBody::from).collect(),
            reserved_addresses: data.reserved.into_iter().map(KeyBody::from).collect(),
            one_time_tokens: data.tokens.into_iter().map(TokenBody::from).collect(),
            used_links: data.used_links.into_iter().map(UsedLinkBody::from).collect(),
            idempotency_key_until: data.idempotency_key_until,
            second_factor: data.second_factor.map(FactorBody::from),
            second_factor_setup_until: data.second_factor_setup_until,
            second_factor_since: data.second_factor_since,
            second_factor_off_at: data.second_factor_off_at,
            known_networks: data.known_networks.into_iter().map(|last_seen| NetworkBody { last_seen }).collect(),
            locked_until: data.locked_until,
            imported_at: data.imported_at,
            pending_events: data.pending_events.into_iter().map(WaitingEventBody::from).collect(),
        }
    }
}

impl From<ExportedToken> for TokenBody {
    fn from(token: ExportedToken) -> Self {
        Self {
            purpose: token.purpose,
            address_key: token.address_key,
            address: token.address,
            expires_at: token.expires_at,
        }
    }
}

impl From<ExportedUsedLink> for UsedLinkBody {
    fn from(link: ExportedUsedLink) -> Self {
        Self { purpose: link.purpose, address_key: link.address_key, until: link.until }
    }
}

impl From<ExportedKey> for KeyBody {
    fn from(key: ExportedKey) -> Self {
        Self { key: key.key, until: key.until }
    }
}

impl From<ExportedFactor> for FactorBody {
    fn from(factor: ExportedFactor) -> Self {
        Self { enabled_at: factor.enabled_at, recovery_codes_left: factor.recovery_codes_left }
    }
}

impl From<ExportedPendingEvent> for WaitingEventBody {
    fn from(event: ExportedPendingEvent) -> Self {
        Self { id: event.id, event_type: event.event_type, at: event.at }
    }
}

impl From<ExportedSession> for ExportedSessionBody {
    fn from(session: ExportedSession) -> Self {
        Self {
            id: session.id,
            device: session.device,
            user_agent: session.user_agent,
            address: session.address,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            rotated_at: session.rotated_at,
            expires_at: session.expires_at,
            ended: session.ended,
        }
    }
}
