//! Everything that is stored about a person, for that person. What the account has is
//! in one value; sessions and audit log come in parts, so that memory stays bounded
//! however long they are.

use std::sync::Arc;

use futures_util::{Stream, stream};
use jiff::Timestamp;
use uuid::Uuid;

use super::audit_log::{AuditLogEntry, audit_log};
use crate::{
    domain::{Cursor, User, device},
    store::{
        IdempotencyRecord, KnownNetwork, PendingEvent, ReservedKey, SessionRow, TokenRecord, TotpRecord, TotpSetup,
        UndoTokenRecord, UsedLink, UserRecord,
    },
    usecase::{account_service::AccountService, failure::Failure},
};

/// Rows that are in memory at once.
const PAGE_SIZE: u32 = 200;

/// What the account's own document holds.
pub struct PersonalData {
    pub user: User,
    /// The keys by which addresses are told apart: the current one first.
    pub email_keys: Vec<String>,
    /// The key by which user names are told apart.
    pub username_key: String,
    /// Earlier usernames that are kept for a while.
    pub reserved_usernames: Vec<ExportedKey>,
    /// Earlier addresses that are kept for a while.
    pub reserved: Vec<ExportedKey>,
    pub tokens: Vec<ExportedToken>,
    pub used_links: Vec<ExportedUsedLink>,
    /// Until when the registration's `Idempotency-Key` is honoured. What is stored of the key is a keyed hash.
    pub idempotency_key_until: Option<Timestamp>,
    pub second_factor: Option<ExportedFactor>,
    /// Until when a second factor that was begun can be confirmed.
    pub second_factor_setup_until: Option<Timestamp>,
    /// Since when the account has a second factor, as an undo counts it.
    pub second_factor_since: Option<Timestamp>,
    /// When the second factor was turned off.
    pub second_factor_off_at: Option<Timestamp>,
    /// When each of the known networks was last seen, the latest first.
    pub known_networks: Vec<Timestamp>,
    /// The owner was told of an attack that lasts until then.
    pub locked_until: Option<Timestamp>,
    /// When the account was taken over from another system.
    pub imported_at: Option<Timestamp>,
    pub pending_events: Vec<ExportedPendingEvent>,
}

/// A one-time token that is out; never its digest.
pub struct ExportedToken {
    pub purpose: &'static str,
    /// The form of the address that it was mailed to.
    pub address_key: String,
    /// The address as it was typed, where the token makes it the account's.
    pub address: Option<String>,
    pub expires_at: Timestamp,
}

/// A one-time token that is used up; never its digest.
pub struct ExportedUsedLink {
    pub purpose: &'static str,
    /// The form of the address that it was mailed to.
    pub address_key: String,
    pub until: Timestamp,
}

/// The form of an address and how long it is kept.
pub struct ExportedKey {
    pub key: String,
    pub until: Timestamp,
}

/// The second factor; never its secret, nor a recovery code.
pub struct ExportedFactor {
    pub enabled_at: Timestamp,
    pub recovery_codes_left: usize,
}

/// An event that is not published yet; the audit log has more of it.
pub struct ExportedPendingEvent {
    pub id: Uuid,
    pub event_type: String,
    pub at: Timestamp,
}

/// A row of `sessions`, also of a session that has ended.
pub struct ExportedSession {
    pub id: Uuid,
    pub device: Option<String>,
    pub user_agent: Option<String>,
    pub address: Option<String>,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
    pub rotated_at: Timestamp,
    pub expires_at: Timestamp,
    /// Nothing can be done with it any more.
    pub ended: bool,
}

/// What the account's document holds of the person. Every field is named here, so that
/// a new one has to be exported or left out on purpose.
#[must_use]
pub fn personal_data(record: &UserRecord) -> PersonalData {
    let UserRecord {
        // In `user`.
        id: _,
        version: _,
        username: _,
        email: _,
        email_verified: _,
        display_name: _,
        locale: _,
        timezone: _,
        attributes: _,
        roles: _,
        status: _,
        created_at: _,
        updated_at: _,
        last_login_at: _,
        // Of the service, not of the person.
        schema_version: _,
        sessions: _,
        parked: _,
        // A secret's.
        password_hash: _,
        // The key and those of the reserved ones, as the index has them.
        username_keys: _,
        // An account that can be signed in to is never unclaimed.
        unclaimed: _,
        username_key,
        reserved_usernames,
        email_keys,
        reserved,
        tokens,
        used_tokens,
        idempotency,
        totp,
        totp_setup,
        second_factor_since,
        second_factor_off_at,
        undo_tokens,
        known_networks,
        locked_until,
        imported,
        pending_events,
    } = record;
    PersonalData {
        user: record.user(),
        email_keys: email_keys.clone(),
        username_key: username_key.clone(),
        reserved_usernames: reserved_usernames.iter().map(reservation).collect(),
        reserved: reserved.iter().map(reservation).collect(),
        tokens: tokens.iter().map(token).chain(undo_tokens.iter().map(undo_token)).collect(),
        used_links: used_tokens.iter().map(used_link).collect(),
        idempotency_key_until: idempotency.as_ref().map(key_until),
        second_factor: totp.as_ref().map(second_factor),
        second_factor_setup_until: totp_setup.as_ref().map(setup_until),
        second_factor_since: second_factor_since.map(Into::into),
        second_factor_off_at: second_factor_off_at.map(Into::into),
        known_networks: known_networks.iter().map(last_seen).collect(),
        locked_until: locked_until.map(Into::into),
        imported_at: imported.as_ref().map(|imported| imported.at.to_jiff()),
        pending_events: pending_events.iter().map(pending_event).collect(),
    }
}

fn token(record: &TokenRecord) -> ExportedToken {
    // When it was issued is when the address changed: the audit log has that.
    let TokenRecord { hash: _, purpose, to, address, expires_at, issued_at: _ } = record;
    ExportedToken {
        purpose: purpose.as_str(),
        address_key: to.clone(),
        address: address.clone(),
        expires_at: expires_at.to_jiff(),
    }
}

fn undo_token(record: &UndoTokenRecord) -> ExportedToken {
    let UndoTokenRecord { hash: _, purpose, to, expires_at } = record;
    ExportedToken {
        purpose: purpose.as_str(),
        address_key: to.clone(),
        address: None,
        expires_at: expires_at.to_jiff(),
    }
}

fn used_link(link: &UsedLink) -> ExportedUsedLink {
    let UsedLink { hash: _, purpose, to, until } = link;
    ExportedUsedLink { purpose: purpose.as_str(), address_key: to.clone(), until: until.to_jiff() }
}

fn reservation(reserved: &ReservedKey) -> ExportedKey {
    let ReservedKey { key, until } = reserved;
    ExportedKey { key: key.clone(), until: until.to_jiff() }
}

fn key_until(record: &IdempotencyRecord) -> Timestamp {
    // Both are keyed hashes: the key's tells nothing, and the fingerprint is of what the account says.
    let IdempotencyRecord { key: _, fingerprint: _, until } = record;
    until.to_jiff()
}

fn second_factor(record: &TotpRecord) -> ExportedFactor {
    // The last step and the used tokens keep a code and a login from being repeated.
    let TotpRecord { secret: _, enabled_at, last_step: _, recovery_codes, used_tokens: _ } = record;
    ExportedFactor { enabled_at: enabled_at.to_jiff(), recovery_codes_left: recovery_codes.len() }
}

fn setup_until(setup: &TotpSetup) -> Timestamp {
    let TotpSetup { secret: _, expires_at } = setup;
    expires_at.to_jiff()
}

fn last_seen(known: &KnownNetwork) -> Timestamp {
    let KnownNetwork { network: _, last_seen } = known;
    last_seen.to_jiff()
}

fn pending_event(event: &PendingEvent) -> ExportedPendingEvent {
    // The payload repeats what the account says; the audit part is in the audit log.
    let PendingEvent { id, event_type, at, sequence: _, data: _, trace_parent: _, audit: _ } = event;
    ExportedPendingEvent { id: (*id).into(), event_type: event_type.clone(), at: at.to_jiff() }
}

fn session(row: SessionRow, user: &UserRecord, now: Timestamp) -> ExportedSession {
    let SessionRow {
        id,
        epoch,
        created_at,
        last_used_at,
        rotated_at,
        expires_at,
        device: user_agent,
        address,
        schema_version: _,
        user_id: _,
        // With the key of the service they prove a refresh token.
        salt: _,
        n: _,
        retried_from: _,
    } = row;
    ExportedSession {
        id: id.into(),
        device: user_agent.as_deref().and_then(device),
        user_agent,
        address,
        created_at: created_at.into(),
        last_used_at: last_used_at.into(),
        rotated_at: rotated_at.into(),
        expires_at: expires_at.into(),
        ended: !user.session_lives(id.into(), epoch) || expires_at.to_jiff() <= now,
    }
}

/// Every session row of the account, newest first.
pub fn export_sessions(
    accounts: Arc<AccountService>,
    user: Arc<UserRecord>,
) -> impl Stream<Item = Result<Vec<ExportedSession>, Failure>> {
    let limit = i64::from(PAGE_SIZE);
    stream::try_unfold(Some(Cursor::NEWEST), move |from| {
        let (accounts, user) = (Arc::clone(&accounts), Arc::clone(&user));
        async move {
            let Some(from) = from else { return Ok(None) };
            let rows = accounts.store.sessions.stored(user.id.into(), from, limit).await?;
            let is_full = i64::try_from(rows.len()) == Ok(limit);
            let next = rows.last().filter(|_| is_full).map(SessionRow::place);
            let now = accounts.clock.now();
            Ok(Some((rows.into_iter().map(|row| session(row, &user, now)).collect(), next)))
        }
    })
}

/// The account's is_full audit log, newest first.
pub fn export_audit(
    accounts: Arc<AccountService>,
    user: Arc<UserRecord>,
) -> impl Stream<Item = Result<Vec<AuditLogEntry>, Failure>> {
    stream::try_unfold(Some(Cursor::NEWEST), move |from| {
        let (accounts, user) = (Arc::clone(&accounts), Arc::clone(&user));
        async move {
            let Some(from) = from else { return Ok(None) };
            let page = audit_log(&accounts, &user, PAGE_SIZE, Some(from)).await?;
            Ok(Some((page.items, page.next)))
        }
    })
}
