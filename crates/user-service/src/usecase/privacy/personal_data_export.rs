//! Exports all data that is stored about a user, for that user. The account is one value. Sessions and audit log are
//! read page by page, so that the memory is bounded.

use std::sync::Arc;

use events::sealing::Purpose;
use futures_util::{Stream, stream};
use jiff::Timestamp;
use uuid::Uuid;

use super::audit_log::{AuditLogEntry, own_audit_log};
use crate::{
    domain::{Cursor, User, device_name},
    outbox::Origin,
    problem::Problem,
    store::{
        IdempotencyRecord, InvitationRecord, KnownNetwork, PendingEvent, ReservedKey, SessionRow, SignInPlaceRecord,
        TokenRecord, TotpRecord, TotpSetup, UndoTokenRecord, UsedTokenRecord, UserRecord,
    },
    usecase::{account_service::AccountService, sessions::authenticate::Caller},
};

/// The number of rows in memory.
const PAGE_SIZE: u32 = 200;

/// The data of the account's document.
pub struct PersonalData {
    pub user: User,
    /// The normalised addresses, the current one first.
    pub email_keys: Vec<String>,
    /// The normalised username.
    pub username_key: String,
    /// Former usernames that are still reserved.
    pub reserved_usernames: Vec<ExportedKey>,
    /// Former addresses that are still reserved.
    pub reserved: Vec<ExportedKey>,
    pub tokens: Vec<ExportedToken>,
    pub used_links: Vec<ExportedUsedLink>,
    /// The end of the validity of the registration's `Idempotency-Key`. Only a keyed hash of the key is stored.
    pub idempotency_key_until: Option<Timestamp>,
    pub second_factor: Option<ExportedFactor>,
    /// The expiry of the setup of a second factor.
    pub second_factor_setup_until: Option<Timestamp>,
    /// Since when the account has a second factor, for the rules of an undo.
    pub second_factor_since: Option<Timestamp>,
    /// When the second factor was turned off.
    pub second_factor_off_at: Option<Timestamp>,
    /// The last use of each known network, the latest first.
    pub known_networks: Vec<Timestamp>,
    /// The last login from each place, the latest first.
    pub sign_in_places: Vec<Timestamp>,
    /// The end of an attack that the owner was notified of.
    pub locked_until: Option<Timestamp>,
    /// When the account was imported from another system.
    pub imported_at: Option<Timestamp>,
    pub pending_events: Vec<ExportedPendingEvent>,
}

/// An unused one-time token, without its digest.
pub struct ExportedToken {
    pub purpose: &'static str,
    /// The normalised address that it was mailed to.
    pub address_key: String,
    /// The address as it was typed, if the token makes it the account's address.
    pub address: Option<String>,
    pub expires_at: Timestamp,
}

/// A used one-time token, without its digest.
pub struct ExportedUsedLink {
    pub purpose: &'static str,
    /// The normalised address that it was mailed to.
    pub address_key: String,
    pub until: Timestamp,
}

/// A reserved address or username in its normalised form, and the end of the reservation.
pub struct ExportedKey {
    pub key: String,
    pub until: Timestamp,
}

/// The second factor, without its secret and its recovery codes.
pub struct ExportedFactor {
    pub enabled_at: Timestamp,
    pub recovery_codes_left: usize,
}

/// An event that is not published yet. The audit log contains more about it.
pub struct ExportedPendingEvent {
    pub id: Uuid,
    pub event_type: String,
    pub at: Timestamp,
}

/// A row of `sessions`, which may be an ended session.
pub struct ExportedSession {
    pub id: Uuid,
    pub device: Option<String>,
    pub user_agent: Option<String>,
    pub address: Option<String>,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
    pub rotated_at: Timestamp,
    pub expires_at: Timestamp,
    /// The time of the last reauthentication.
    pub authenticated_at: Option<Timestamp>,
    /// Whether the second factor was given at that time (without a reauthentication, at the login) or later.
    pub second_factor: bool,
    /// Whether the session is no longer valid.
    pub ended: bool,
}

/// The export of one account. Only a user who has recently authenticated gets it.
pub struct PersonalDataExport {
    accounts: Arc<AccountService>,
    user: Arc<UserRecord>,
}

/// Starts an export for the caller.
///
/// # Errors
/// Returns [`Problem::ReauthenticationRequired`], or [`Problem::Unauthorized`] if the session was ended alone.
pub async fn start_export(
    accounts: Arc<AccountService>,
    caller: Caller,
    origin: &Origin,
) -> Result<PersonalDataExport, Problem> {
    accounts.require_recent_authentication(&caller, None, origin).await?;
    Ok(PersonalDataExport { accounts, user: Arc::new(caller.user) })
}

impl PersonalDataExport {
    /// Returns the data of the account's document.
    #[must_use]
    pub fn account(&self) -> PersonalData {
        personal_data(&self.user)
    }

    /// Returns all session rows of the account, newest first.
    pub fn sessions(&self) -> impl Stream<Item = Result<Vec<ExportedSession>, Problem>> + use<> {
        export_sessions(Arc::clone(&self.accounts), Arc::clone(&self.user))
    }

    /// Returns the whole audit log of the account, newest first.
    pub fn audit(&self) -> impl Stream<Item = Result<Vec<AuditLogEntry>, Problem>> + use<> {
        export_audit(Arc::clone(&self.accounts), Arc::clone(&self.user))
    }
}

/// Returns the personal data of the account's document. Every field is named here, so that each new field must be
/// exported or left out on purpose.
fn personal_data(record: &UserRecord) -> PersonalData {
    let UserRecord {
        // Contained in `user`.
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
        // Data of the service, not of the user.
        schema_version: _,
        sessions: _,
        parked: _,
        // A secret.
        password_hash: _,
        // Contained in `username_key` and `reserved_usernames`.
        username_keys: _,
        // An account that permits logins is never unclaimed.
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
        invitation,
        known_networks,
        sign_in_places,
        locked_until,
        imported,
        pending_events: _,
    } = record;
    PersonalData {
        user: record.user(),
        email_keys: email_keys.clone(),
        username_key: username_key.clone(),
        reserved_usernames: reserved_usernames.iter().map(reservation).collect(),
        reserved: reserved.iter().map(reservation).collect(),
        tokens: tokens
            .iter()
            .map(token)
            .chain(undo_tokens.iter().map(undo_token))
            .chain(invitation.iter().map(invitation_token))
            .collect(),
        used_links: used_tokens.iter().map(used_link).collect(),
        idempotency_key_until: idempotency.as_ref().map(key_until),
        second_factor: totp.as_ref().map(second_factor),
        second_factor_setup_until: totp_setup.as_ref().map(setup_until),
        second_factor_since: second_factor_since.map(Into::into),
        second_factor_off_at: second_factor_off_at.map(Into::into),
        known_networks: known_networks.iter().map(last_seen).collect(),
        sign_in_places: sign_in_places.iter().map(last_sign_in).collect(),
        locked_until: locked_until.map(Into::into),
        imported_at: imported.as_ref().map(|imported| imported.at.to_jiff()),
        pending_events: record.unpublished_events().map(pending_event).collect(),
    }
}

fn token(record: &TokenRecord) -> ExportedToken {
    // It was issued when the address changed, and the audit log has that time.
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

fn invitation_token(record: &InvitationRecord) -> ExportedToken {
    // The placeholder was the username, and the audit log has its change.
    let InvitationRecord { hash: _, to, expires_at, placeholder: _ } = record;
    ExportedToken {
        purpose: Purpose::Invitation.as_str(),
        address_key: to.clone(),
        address: None,
        expires_at: expires_at.to_jiff(),
    }
}

fn used_link(link: &UsedTokenRecord) -> ExportedUsedLink {
    let UsedTokenRecord { hash: _, purpose, to, until } = link;
    ExportedUsedLink { purpose: purpose.as_str(), address_key: to.clone(), until: until.to_jiff() }
}

fn reservation(reserved: &ReservedKey) -> ExportedKey {
    let ReservedKey { key, until } = reserved;
    ExportedKey { key: key.clone(), until: until.to_jiff() }
}

fn key_until(record: &IdempotencyRecord) -> Timestamp {
    // Both are keyed hashes: the hash of the key reveals nothing, and the fingerprint covers data that the account
    // contains.
    let IdempotencyRecord { key: _, fingerprint: _, until } = record;
    until.to_jiff()
}

fn second_factor(record: &TotpRecord) -> ExportedFactor {
    // The last step and the used tokens only prevent the reuse of a code or a token.
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

fn last_sign_in(place: &SignInPlaceRecord) -> Timestamp {
    let SignInPlaceRecord { place: _, last_seen } = place;
    last_seen.to_jiff()
}

fn pending_event(event: &PendingEvent) -> ExportedPendingEvent {
    // The payload repeats data of the account. The audit log contains the audit part.
    let PendingEvent { id, event_type, at, sequence: _, data: _, trace_parent: _, audit: _, replica: _ } = event;
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
        authenticated_at,
        second_factor,
        schema_version: _,
        user_id: _,
        // Together with the key of the service they verify a refresh token.
        salt: _,
        n: _,
        retried_from: _,
        cookie_hash: _,
    } = row;
    ExportedSession {
        id: id.into(),
        device: user_agent.as_deref().and_then(device_name),
        user_agent,
        address,
        created_at: created_at.into(),
        last_used_at: last_used_at.into(),
        rotated_at: rotated_at.into(),
        expires_at: expires_at.into(),
        authenticated_at: authenticated_at.map(Into::into),
        second_factor,
        ended: !user.is_session_valid(id.into(), epoch) || expires_at.to_jiff() <= now,
    }
}

fn export_sessions(
    accounts: Arc<AccountService>,
    user: Arc<UserRecord>,
) -> impl Stream<Item = Result<Vec<ExportedSession>, Problem>> {
    let limit = i64::from(PAGE_SIZE);
    stream::try_unfold(Some(Cursor::NEWEST), move |from| {
        let (accounts, user) = (Arc::clone(&accounts), Arc::clone(&user));
        async move {
            let Some(from) = from else { return Ok(None) };
            let rows = accounts.store.sessions.list_all(user.id.into(), from, limit).await?;
            let is_full = i64::try_from(rows.len()) == Ok(limit);
            let next = rows.last().filter(|_| is_full).map(SessionRow::cursor);
            let now = accounts.clock.now();
            Ok(Some((rows.into_iter().map(|row| session(row, &user, now)).collect(), next)))
        }
    })
}

fn export_audit(
    accounts: Arc<AccountService>,
    user: Arc<UserRecord>,
) -> impl Stream<Item = Result<Vec<AuditLogEntry>, Problem>> {
    stream::try_unfold(Some(Cursor::NEWEST), move |from| {
        let (accounts, user) = (Arc::clone(&accounts), Arc::clone(&user));
        async move {
            let Some(from) = from else { return Ok(None) };
            let page = own_audit_log(&accounts, &user, PAGE_SIZE, Some(from)).await?;
            Ok(Some((page.items, page.next)))
        }
    })
}
