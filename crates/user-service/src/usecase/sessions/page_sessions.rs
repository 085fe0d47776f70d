//! Page sessions: sessions whose browser holds a cookie for the HTML pages. They start and end like those of the API,
//! and are in the same list.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use secrecy::SecretString;
use service_kit::mongo::StoreError;
use uuid::Uuid;

use super::{
    authenticate::{Caller, is_signed_in},
    login::{Login, start_with_password},
    login_totp::start_with_code,
    start_session::SessionKind,
};
use crate::{
    domain::expires_at,
    outbox::Origin,
    problem::Problem,
    store::{AuditOnlyKind, SessionRow},
    tokens::SessionCookie,
    usecase::account_service::AccountService,
};

/// The use of a session is recorded at most once in this time.
const TOUCH_INTERVAL: Duration = Duration::from_secs(60);

/// Starts a page session with a password, and returns its cookie.
///
/// # Errors
/// Returns the errors of [`login`](super::login::login).
pub async fn sign_in(accounts: &Arc<AccountService>, login: Login, origin: Origin) -> Result<SecretString, Problem> {
    start_with_password(accounts, login, SessionKind::Page, origin).await?.into_cookie()
}

/// Completes a sign-in with the second factor, and returns the cookie of the page session.
///
/// # Errors
/// Returns the errors of [`login_totp`](super::login_totp::login_totp).
pub async fn sign_in_totp(
    accounts: &Arc<AccountService>,
    token: &SecretString,
    code: SecretString,
    origin: Origin,
) -> Result<SecretString, Problem> {
    start_with_code(accounts, token, code, SessionKind::Page, origin).await?.into_cookie()
}

/// Returns the caller of a valid cookie whose session has not ended in any way.
///
/// # Errors
/// Returns [`Problem::Unauthorized`], also if the account was deleted or disabled.
pub async fn authenticate_page_session(
    accounts: &AccountService,
    cookie: &SecretString,
    origin: &Origin,
) -> Result<Caller, Problem> {
    let cookie = SessionCookie::parse(cookie).ok_or(Problem::Unauthorized)?;
    // A flood of false cookies from one network is refused, because each costs a read.
    accounts.rate_limiter.check_session_request(origin)?;
    let row = accounts.find_page_session(&cookie).await?.ok_or(Problem::Unauthorized)?;
    let (session, epoch) = (row.id.into(), row.epoch);
    let user = accounts.store.users.by_id(row.user_id.into()).await?;
    let user = user.filter(|user| is_signed_in(user, session, epoch)).ok_or(Problem::Unauthorized)?;
    if expires_at(row.last_used_at.to_jiff(), TOUCH_INTERVAL) <= accounts.clock.now() {
        accounts.store.sessions.touch(session, accounts.lifetimes.sessions).await?;
    }
    Ok(Caller { user, session, epoch })
}

/// Runs a change of the rights of a page session, and gives the session another cookie, if it can: the cookie until now
/// is void. Both are completed even if the client disconnects, because a copy of the old cookie must not have the new
/// rights. A change whose outcome is unknown counts as done.
///
/// # Errors
/// Returns the problem of the change; beside it, the cookie that is valid now, if it is another one.
pub async fn change_page_session<T: Send + 'static>(
    accounts: &Arc<AccountService>,
    session: Uuid,
    change: BoxFuture<'static, Result<T, Problem>>,
) -> (Result<T, Problem>, Option<SecretString>) {
    let this = Arc::clone(accounts);
    let change = async move {
        let changed = change.await;
        let cookie = match &changed {
            Ok(_) | Err(Problem::Unavailable(_)) => renew_page_cookie(&this, session).await,
            Err(_) => return Ok((changed, None)),
        };
        if let Err(problem) = &cookie {
            problem.log_cause();
        }
        Ok((changed, cookie.ok()))
    };
    accounts.writes.run_use_case_to_completion(change).await.unwrap_or_else(|problem| (Err(problem), None))
}

/// Gives a page session another cookie.
///
/// # Errors
/// Returns [`Problem::Unauthorized`] if the session has ended.
async fn renew_page_cookie(accounts: &AccountService, session: Uuid) -> Result<SecretString, Problem> {
    let cookie = SessionCookie::generate(session);
    if !accounts.store.sessions.replace_cookie(session, &cookie.hash()).await? {
        return Err(Problem::Unauthorized);
    }
    Ok(cookie.to_text())
}

/// Ends the page session of this cookie, if there is one. It has no limit: its caller has authenticated, to sign out or to
/// sign in again.
///
/// # Errors
/// Returns an error if the store is unavailable.
pub async fn sign_out(accounts: &Arc<AccountService>, cookie: &SecretString, origin: Origin) -> Result<(), Problem> {
    let Some(cookie) = SessionCookie::parse(cookie) else { return Ok(()) };
    let Some(row) = accounts.find_page_session(&cookie).await? else { return Ok(()) };
    let this = Arc::clone(accounts);
    let end = async move {
        if this.store.sessions.end(row.id.into()).await?.is_some() {
            this.background.record(row.user_id.into(), AuditOnlyKind::LoggedOut, &origin);
        }
        Ok(())
    };
    accounts.writes.run_to_completion(end).await
}

impl AccountService {
    /// Returns the session of this cookie.
    async fn find_page_session(&self, cookie: &SessionCookie) -> Result<Option<SessionRow>, StoreError> {
        let row = self.store.sessions.find_page_session(cookie.session).await?;
        Ok(row.filter(|row| row.cookie_hash.as_ref().is_some_and(|stored| cookie.matches(&stored.bytes))))
    }
}
