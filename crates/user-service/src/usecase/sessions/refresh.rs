//! Refreshes a session. The session is advanced first, by one write that decides by the database's clock. The user is
//! read last, so that an account that was disabled, or whose sessions ended, gets no tokens.

use std::sync::Arc;

use secrecy::SecretString;
use service_kit::mongo::StoreError;

use super::start_session::SignedIn;
use crate::{
    domain::UserStatus,
    outbox::Origin,
    problem::Problem,
    store::{AuditOnlyKind, Rotation, SessionRow},
    tokens::RefreshToken,
    usecase::account_service::AccountService,
};

/// Issues the next tokens of a session.
///
/// # Errors
/// Returns [`Problem::Unauthorized`] for anything except a genuine token of a valid session. An old genuine token also
/// ends its session.
pub async fn refresh(
    accounts: &Arc<AccountService>,
    token: &SecretString,
    origin: Origin,
) -> Result<SignedIn, Problem> {
    accounts.rate_limiter.check_session_request(&origin)?;
    let token = RefreshToken::parse(token).ok_or(Problem::Unauthorized)?;
    if !accounts.is_genuine_refresh_token(&token).await? {
        return Err(Problem::Unauthorized);
    }
    let this = Arc::clone(accounts);
    accounts.writes.run_to_completion(async move { this.advance_session(&token, &origin).await }).await
}

impl AccountService {
    /// Returns whether this service issued the token. The session is read only if its salt is not a derived one.
    pub(super) async fn is_genuine_refresh_token(&self, token: &RefreshToken) -> Result<bool, StoreError> {
        if self.refresh_tokens.is_genuine_by_derived_salt(token) {
            return Ok(true);
        }
        let salt = self.store.sessions.salt(token.session).await?;
        Ok(salt.is_some_and(|salt| self.refresh_tokens.is_genuine(token, &salt)))
    }

    async fn advance_session(&self, token: &RefreshToken, origin: &Origin) -> Result<SignedIn, Problem> {
        let times = self.lifetimes.sessions;
        match self.store.sessions.rotate(token.session, i64::from(token.n), times).await? {
            Rotation::Current(row) => self.issue_next_tokens(&row).await,
            Rotation::Reused(row) => {
                self.metrics.refresh_reuse.inc();
                tracing::warn!(user = %row.user_id, session = %row.id, "an old refresh token was used; the session was ended");
                self.rate_limiter.mark_session_ended(&row, self.access_tokens.ttl()).await;
                self.store.sessions.delete(row.id.into()).await?;
                self.background.record(row.user_id.into(), AuditOnlyKind::RefreshTokenReused, origin);
                Err(Problem::Unauthorized)
            }
            Rotation::Gone => Err(Problem::Unauthorized),
        }
    }

    async fn issue_next_tokens(&self, row: &SessionRow) -> Result<SignedIn, Problem> {
        let user = self.store.users.by_id(row.user_id.into()).await?;
        let session_owner =
            user.filter(|user| user.status == UserStatus::Active && user.is_session_valid(row.id.into(), row.epoch));
        let Some(user) = session_owner else {
            self.store.sessions.delete(row.id.into()).await?;
            return Err(Problem::Unauthorized);
        };
        let n = u32::try_from(row.n).map_err(Problem::internal)?;
        self.issue_tokens(&user, row, n)
    }
}
