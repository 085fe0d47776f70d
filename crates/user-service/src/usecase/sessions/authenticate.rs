//! Authenticates a caller: verifies the access token and reads the current account. Because the account is read for
//! every request, "end all sessions" takes effect on access tokens immediately. For gateways, the session is read too.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::proven::Proven;
use crate::{
    domain::{User, UserStatus},
    problem::Problem,
    store::{UserRecord, UserStore},
    tokens::{AccessClaims, TokenError},
    usecase::{account_service::AccountService, update::Load},
};

/// A user who is signed in.
#[derive(Clone)]
pub struct Caller {
    pub user: UserRecord,
    pub session: Uuid,
    pub epoch: i64,
}

/// Returns whether the session is still valid for the account as it is now.
pub(super) fn is_signed_in(user: &UserRecord, session: Uuid, epoch: i64) -> bool {
    user.status == UserStatus::Active && user.is_session_valid(session, epoch)
}

/// The signed-in user of an update. An update that is decided again requires that the session has not ended with all
/// others, and that the proof of the user still holds.
pub(in crate::usecase) struct SignedInUser {
    users: UserStore,
    /// The account as it was read for the request, for the first attempt.
    first: Option<UserRecord>,
    id: Uuid,
    session: Uuid,
    epoch: i64,
    proven: Option<Proven>,
}

impl AccountService {
    /// Names the account of an update by its signed-in user. `proven` is what the user has proved for an update that
    /// requires a recent authentication.
    pub(in crate::usecase) fn signed_in(&self, caller: Caller, proven: Option<Proven>) -> SignedInUser {
        let Caller { user, session, epoch } = caller;
        let id = user.id.into();
        SignedInUser { users: self.store.users.clone(), first: Some(user), id, session, epoch, proven }
    }
}

impl Load for SignedInUser {
    type Proof = ();

    async fn load(&mut self, _: Timestamp) -> Result<(UserRecord, ()), Problem> {
        if let Some(user) = self.first.take() {
            return Ok((user, ()));
        }
        let is_current = |user: &UserRecord| is_signed_in(user, self.session, self.epoch);
        let user = self.users.by_id(self.id).await?.filter(is_current).ok_or(Problem::Unauthorized)?;
        if let Some(proven) = &self.proven {
            proven.check(&user)?;
        }
        Ok((user, ()))
    }
}

/// Returns the caller of a valid access token whose session has not been ended with all others.
///
/// # Errors
/// Returns [`Problem::Unauthorized`], also if the account was deleted or disabled.
pub async fn authenticate(accounts: &AccountService, token: &str) -> Result<Caller, Problem> {
    let claims = verify_token(accounts, token).await?;
    caller(accounts.store.users.by_id(claims.sub).await?, &claims)
}

/// Returns the user of a valid access token whose session has not ended in any way. Unlike [`authenticate`] it also
/// reads the session, so a session that was ended alone, and a logout, take effect on its access token immediately.
///
/// # Errors
/// Returns [`Problem::Unauthorized`], also if the account was deleted or disabled.
pub async fn authenticate_session(accounts: &AccountService, token: &str) -> Result<User, Problem> {
    let claims = verify_token(accounts, token).await?;
    let (user, is_active) =
        tokio::join!(accounts.store.users.by_id(claims.sub), accounts.store.sessions.is_active(claims.sid));
    let caller = caller(user?, &claims)?;
    if is_active? { Ok(caller.user.user()) } else { Err(Problem::Unauthorized) }
}

/// Returns the claims of a genuine access token that has not expired.
async fn verify_token(accounts: &AccountService, token: &str) -> Result<Arc<AccessClaims>, Problem> {
    accounts.genuine(accounts.access_tokens.verify(token).await)?.ok_or(Problem::Unauthorized)
}

impl AccountService {
    /// Returns the verified token, or `None` if it is not valid.
    ///
    /// # Errors
    /// Returns an error before the key set was read, because no token can be verified then.
    pub(in crate::usecase) fn genuine<T>(&self, verified: Result<T, TokenError>) -> Result<Option<T>, Problem> {
        if verified.is_err() {
            self.access_tokens.published_keys()?;
        }
        Ok(verified.ok())
    }
}

/// Returns the caller if the session of the claims is still valid for the account.
fn caller(user: Option<UserRecord>, claims: &AccessClaims) -> Result<Caller, Problem> {
    user.filter(|user| is_signed_in(user, claims.sid, claims.epoch))
        .map(|user| Caller { user, session: claims.sid, epoch: claims.epoch })
        .ok_or(Problem::Unauthorized)
}
