//! The body of the personal data export.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{audit_log::AuditEntryBody, user_body::UserBody};
use crate::usecase::{
    ExportedFactor, ExportedKey, ExportedPendingEvent, ExportedSession, ExportedToken, ExportedUsedLink, PersonalData,
};

// This type only documents the body, which the handler streams in chunks.
/// All data that is stored about a user, except secrets.
#[derive(Serialize, ToSchema)]
#[schema(as = Export)]
pub(crate) struct ExportBody {
    #[serde(flatten)]
    head: ExportHead,
    sessions: Vec<ExportedSessionBody>,
    audit: Vec<AuditEntryBody>,
}

/// The export without the lists that may be long.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExportHead {
    #[schema(value_type = String, format = DateTime)]
    exported_at: Timestamp,
    account: UserBody,
    /// The normalised forms by which the email addresses are compared, the current one first.
    email_keys: Vec<String>,
    /// The normalised form by which the username is compared.
    username_key: String,
    /// Earlier usernames that are still reserved for the account.
    reserved_usernames: Vec<ReservedKeyBody>,
    /// Earlier email addresses that are still reserved for the account.
    reserved_addresses: Vec<ReservedKeyBody>,
    /// Mailed links that are not used yet.
    one_time_tokens: Vec<ExportedTokenBody>,
    /// Used links that are remembered for a while, so that their pages can say that they were used.
    used_links: Vec<ExportedUsedLinkBody>,
    /// The time until which the `Idempotency-Key` of the registration is honoured. The key is stored as a keyed hash.
    #[schema(value_type = Option<String>, format = DateTime)]
    idempotency_key_until: Option<Timestamp>,
    second_factor: Option<ExportedSecondFactorBody>,
    /// The time until which the set-up of a second factor can be confirmed.
    #[schema(value_type = Option<String>, format = DateTime)]
    second_factor_setup_until: Option<Timestamp>,
    /// The time since which the account has a second factor, as the links that undo a change use it.
    #[schema(value_type = Option<String>, format = DateTime)]
    second_factor_since: Option<Timestamp>,
    /// The time when the second factor was removed.
    #[schema(value_type = Option<String>, format = DateTime)]
    second_factor_off_at: Option<Timestamp>,
    /// Networks of successful logins, the latest first. They are stored as keyed hashes, so only their times are shown.
    known_networks: Vec<KnownNetworkBody>,
    /// Pairs of a device and a network from which the user signed in, the latest first. They are stored as keyed hashes, so
    /// only their times are shown.
    sign_in_places: Vec<SignInPlaceBody>,
    /// The time until which the account counts as under attack by password guessing. Its owner was notified.
    #[schema(value_type = Option<String>, format = DateTime)]
    locked_until: Option<Timestamp>,
    /// The time when the account was imported from another system.
    #[schema(value_type = Option<String>, format = DateTime)]
    imported_at: Option<Timestamp>,
    /// Events that are not published yet.
    pending_events: Vec<PendingEventBody>,
}

/// A mailed link that is not used yet.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExportedToken)]
pub(crate) struct ExportedTokenBody {
    purpose: &'static str,
    /// The normalised form of the email address to which it was mailed.
    address_key: String,
    /// The email address as it was entered, if the link makes it that of the account.
    address: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// A mailed link that was used.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExportedUsedLink)]
pub(crate) struct ExportedUsedLinkBody {
    purpose: &'static str,
    /// The normalised form of the email address to which it was mailed.
    address_key: String,
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

/// The normalised form of a username or email address that is reserved for a while.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedKey)]
pub(crate) struct ReservedKeyBody {
    key: String,
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

/// The current second factor.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExportedSecondFactor)]
pub(crate) struct ExportedSecondFactorBody {
    #[schema(value_type = String, format = DateTime)]
    enabled_at: Timestamp,
    recovery_codes_left: usize,
}

/// A network from which the user has logged in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExportedNetwork)]
pub(crate) struct KnownNetworkBody {
    #[schema(value_type = String, format = DateTime)]
    last_seen: Timestamp,
}

/// A device and a network from which the user signed in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExportedSignInPlace)]
pub(crate) struct SignInPlaceBody {
    #[schema(value_type = String, format = DateTime)]
    last_seen: Timestamp,
}

/// An event that is not published yet.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedEvent)]
pub(crate) struct PendingEventBody {
    id: Uuid,
    #[serde(rename = "type")]
    event_type: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

/// A stored session, which may have ended.
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
    /// The time of the last reauthentication; null if there was none.
    #[schema(value_type = Option<String>, format = DateTime)]
    authenticated_at: Option<Timestamp>,
    /// Whether the second factor was given at that time (without a reauthentication, at the login) or later.
    second_factor: bool,
    ended: bool,
}

impl ExportHead {
    pub(super) fn new(data: PersonalData, exported_at: Timestamp) -> Self {
        Self {
            exported_at,
            account: data.user.into(),
            email_keys: data.email_keys,
            username_key: data.username_key,
            reserved_usernames: data.reserved_usernames.into_iter().map(ReservedKeyBody::from).collect(),
            reserved_addresses: data.reserved.into_iter().map(ReservedKeyBody::from).collect(),
            one_time_tokens: data.tokens.into_iter().map(ExportedTokenBody::from).collect(),
            used_links: data.used_links.into_iter().map(ExportedUsedLinkBody::from).collect(),
            idempotency_key_until: data.idempotency_key_until,
            second_factor: data.second_factor.map(ExportedSecondFactorBody::from),
            second_factor_setup_until: data.second_factor_setup_until,
            second_factor_since: data.second_factor_since,
            second_factor_off_at: data.second_factor_off_at,
            known_networks: data.known_networks.into_iter().map(|last_seen| KnownNetworkBody { last_seen }).collect(),
            sign_in_places: data.sign_in_places.into_iter().map(|last_seen| SignInPlaceBody { last_seen }).collect(),
            locked_until: data.locked_until,
            imported_at: data.imported_at,
            pending_events: data.pending_events.into_iter().map(PendingEventBody::from).collect(),
        }
    }
}

impl From<ExportedToken> for ExportedTokenBody {
    fn from(token: ExportedToken) -> Self {
        Self {
            purpose: token.purpose,
            address_key: token.address_key,
            address: token.address,
            expires_at: token.expires_at,
        }
    }
}

impl From<ExportedUsedLink> for ExportedUsedLinkBody {
    fn from(link: ExportedUsedLink) -> Self {
        Self { purpose: link.purpose, address_key: link.address_key, until: link.until }
    }
}

impl From<ExportedKey> for ReservedKeyBody {
    fn from(key: ExportedKey) -> Self {
        Self { key: key.key, until: key.until }
    }
}

impl From<ExportedFactor> for ExportedSecondFactorBody {
    fn from(factor: ExportedFactor) -> Self {
        Self { enabled_at: factor.enabled_at, recovery_codes_left: factor.recovery_codes_left }
    }
}

impl From<ExportedPendingEvent> for PendingEventBody {
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
            authenticated_at: session.authenticated_at,
            second_factor: session.second_factor,
            ended: session.ended,
        }
    }
}
