//! Lists the sessions of an account and ends them: one, all others, or by logout.

use std::sync::Arc;

use events::{SessionsEndedReason, UserSessionsEnded};
use jiff::Timestamp;
use secrecy::SecretString;
use service_kit::mongo::StoreError;
use uuid::Uuid;

use super::authenticate::{Caller, SignedInUser};
use crate::{
    domain::{Cursor, Page, device_name},
    outbox::Origin,
    problem::Problem,
    store::{AuditOnlyKind, Change, EndSessions, SessionRow, UserRecord},
    tokens::RefreshToken,
    usecase::{
        account_service::AccountService,
        update::{Attempt, Decision, Load},
    },
};

/// A session as its user sees it.
pub struct ListedSession {
    pub id: Uuid,
    /// The browser and the system, such as "Firefox on Linux".
    pub device: Option<String>,
    pub address: Option<String>,
    pub created_at: Timestamp,
    /// The time of the login or of the last refresh.
    pub last_used_at: Timestamp,
    /// Whether it is the calling session.
    pub current: bool,
}

/// Returns the caller's valid sessions, newest first: at most `limit` of those after the cursor. The first page always
/// contains the calling session, at its end if it is older than the others.
///
/// # Errors
/// Returns an error only if the store is unavailable.
pub async fn list_sessions(
    accounts: &AccountService,
    caller: &Caller,
    limit: u32,
    after: Option<Cursor>,
) -> Result<Page<ListedSession>, Problem> {
    let (user, rule) = (caller.user.id.into(), caller.user.sessions);
    let size = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
    let one_more = i64::from(limit.max(1)) + 1;
    let sessions = &accounts.store.sessions;
    let (mut rows, current_row) = match after {
        // The calling session was on the first page.
        Some(after) => (sessions.list_valid(user, rule, after, Some(caller.session), one_more).await?, None),
        None => {
            let rows = sessions.list_valid(user, rule, Cursor::NEWEST, None, one_more).await?;
            let listed = rows.iter().take(size).any(|row| Uuid::from(row.id) == caller.session);
            // The row is missing if the session was ended individually while its access token is still valid.
            let current_row = if listed { None } else { sessions.find_of_user(caller.session, user).await? };
            (rows, current_row)
        }
    };
    let row_limit = size - usize::from(current_row.is_some());
    let more = rows.len() > row_limit;
    rows.truncate(row_limit);
    let next = more.then(|| rows.last().map_or(Cursor::NEWEST, SessionRow::cursor));
    rows.extend(current_row);
    let items = rows.into_iter().map(|row| to_listed_session(row, caller.session)).collect();
    Ok(Page { items, next })
}

fn to_listed_session(row: SessionRow, current: Uuid) -> ListedSession {
    ListedSession {
        id: row.id.into(),
        device: row.device.as_deref().and_then(device_name),
        address: row.address,
        created_at: row.created_at.into(),
        last_used_at: row.last_used_at.into(),
        current: Uuid::from(row.id) == current,
    }
}

/// Ends all sessions of the caller except the calling one, in one write, so that access tokens of the others end
/// immediately too. It has no rate limit. If there is no session to end, nothing is written.
///
/// # Errors
/// Returns [`Problem`]. If the store was unavailable, the outcome is unknown.
pub async fn end_other_sessions(accounts: &Arc<AccountService>, caller: Caller, origin: Origin) -> Result<(), Problem> {
    let session = caller.session;
    let load = WithOtherSessions { accounts: Arc::clone(accounts), session, user: accounts.signed_in(caller, None) };
    let outbox = accounts.outbox.clone();
    let end = move |user: &UserRecord, has_others: bool, Attempt { now, .. }: Attempt| {
        if !has_others {
            return Ok(Decision::Unchanged(()));
        }
        let payload = UserSessionsEnded { user_id: user.id.into(), reason: SessionsEndedReason::User };
        let change = Change {
            end_sessions: EndSessions::AllBut(session),
            events: vec![outbox.event(now, &origin, payload)],
            ignore_pending_limit: true,
            ..Change::default()
        };
        Ok(Decision::Write(change, ()))
    };
    accounts.update(load, end).await.map(|_| ())
}

/// The signed-in user, and whether there are other sessions to end.
struct WithOtherSessions {
    accounts: Arc<AccountService>,
    session: Uuid,
    user: SignedInUser,
}

impl Load for WithOtherSessions {
    type Proof = bool;

    async fn load(&mut self, now: Timestamp) -> Result<(UserRecord, bool), Problem> {
        let (user, ()) = self.user.load(now).await?;
        let has_others = self.accounts.has_sessions_to_end(&user, Some(self.session)).await?;
        Ok((user, has_others))
    }
}

/// Ends one session of the caller; this may be the calling one. Its refresh token is invalid immediately, its access
/// token when it expires.
///
/// # Errors
/// Returns [`Problem`]. If the store was unavailable, the outcome is unknown.
pub async fn end_session(
    accounts: &Arc<AccountService>,
    caller: Caller,
    id: Uuid,
    origin: Origin,
) -> Result<(), Problem> {
    let this = Arc::clone(accounts);
    accounts.writes.run_to_completion(async move { this.end_one(&caller.user, id, &origin).await }).await
}

impl AccountService {
    async fn end_one(&self, user: &UserRecord, id: Uuid, origin: &Origin) -> Result<(), Problem> {
        let ended = self.store.sessions.end_of_user(id, user.id.into()).await?;
        // A session that ended together with others is not in the list, although its row exists.
        let valid = ended.filter(|row| user.is_session_valid(row.id.into(), row.epoch));
        let row = valid.ok_or(Problem::NotFound)?;
        self.rate_limiter.mark_session_ended(&row, self.access_tokens.ttl()).await;
        self.background.record(user.id.into(), AuditOnlyKind::SessionEnded, origin);
        Ok(())
    }

    /// Returns whether the account has a valid session other than `without`, or a valid access token of a session that
    /// was ended individually.
    pub(in crate::usecase) async fn has_sessions_to_end(
        &self,
        user: &UserRecord,
        without: Option<Uuid>,
    ) -> Result<bool, StoreError> {
        let id = user.id.into();
        let (valid, recently_ended) = tokio::join!(
            self.store.sessions.list_valid(id, user.sessions, Cursor::NEWEST, without, 1),
            self.rate_limiter.has_recently_ended_session(id, user.sessions, without),
        );
        Ok(!valid?.is_empty() || recently_ended?)
    }
}

/// Ends the session of this refresh token, if there is one.
///
/// # Errors
/// Returns an error if the store is unavailable, or the network floods this process.
pub async fn logout(accounts: &Arc<AccountService>, token: &SecretString, origin: Origin) -> Result<(), Problem> {
    accounts.rate_limiter.check_session_request(&origin)?;
    accounts.log_out(token, origin).await
}

impl AccountService {
    /// Does the same without a limit, for a caller that has authenticated.
    pub(in crate::usecase) async fn log_out(
        self: &Arc<Self>,
        token: &SecretString,
        origin: Origin,
    ) -> Result<(), Problem> {
        let Some(token) = RefreshToken::parse(token) else { return Ok(()) };
        if !self.is_genuine_refresh_token(&token).await? {
            return Ok(());
        }
        let this = Arc::clone(self);
        let end = async move {
            if let Some(ended) = this.store.sessions.end(token.session).await? {
                this.rate_limiter.mark_session_ended(&ended, this.access_tokens.ttl()).await;
                this.background.record(ended.user_id.into(), AuditOnlyKind::LoggedOut, &origin);
            }
            Ok(())
        };
        self.writes.run_to_completion(end).await
    }
}
