//! Refreshes a session. The session is advanced first, by one write that decides by the database's clock. The user is
//! read last, so that an account that was disabled, or whose sessions ended, gets no tokens.

use std::sync::Arc;

use secrecy::SecretString;
use service_kit::mongo::StoreError;

use super::start_session::SignedIn;
use crate::{
    domain::UserStatus,
    outbox::Origin,
    store::{Rotation, SessionRow},
    tokens::RefreshToken,
    usecase::{account_service::AccountService, failure::Failure},
};

/// The reason why no tokens were issued.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The token does not belong to a valid session.
    #[error("the refresh token is invalid")]
    Invalid,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for RefreshError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// Issues the next tokens of a session.
///
/// # Errors
/// Returns [`RefreshError::Invalid`] for anything except a genuine token of a valid session. An old genuine token also
/// ends its session.
pub async fn refresh(
    accounts: &Arc<AccountService>,
    token: &SecretString,
    origin: Origin,
) -> Result<SignedIn, RefreshError> {
    let token = RefreshToken::parse(token).ok_or(RefreshError::Invalid)?;
    accounts.rate_limiter.check_session_request(&origin)?;
    let salt = accounts.store.sessions.salt(token.session).await?.ok_or(RefreshError::Invalid)?;
    if !accounts.refresh_tokens.is_genuine(&token, &salt) {
        return Err(RefreshError::Invalid);
    }
    let this = Arc::clone(accounts);
    accounts.writes.run_to_completion(async move { this.advance_session(&token, &origin).await }).await
}

impl AccountService {
    async fn advance_session(&self, token: &RefreshToken, origin: &Origin) -> Result<SignedIn, RefreshError> {
        let times = self.rules.session_times;
        match self.store.sessions.rotate(token.session, i64::from(token.n), times).await? {
            Rotation::Current(row) => self.issue_next_tokens(&row).await,
            Rotation::Reused(row) => {
                self.metrics.refresh_reuse.inc();
                tracing::warn!(user = %row.user_id, session = %row.id, "an old refresh token was used; the session was ended");
                self.rate_limiter.mark_session_ended(&row, self.access_tokens.ttl()).await;
                self.store.sessions.delete(row.id.into()).await?;
                self.background.record_refresh_token_reuse(row.user_id.into(), origin);
                Err(RefreshError::Invalid)
            }
            Rotation::Gone => Err(RefreshError::Invalid),
        }
    }

    async fn issue_next_tokens(&self, row: &SessionRow) -> Result<SignedIn, RefreshError> {
        let user = self.store.users.by_id(row.user_id.into()).await?;
        let session_owner =
            user.filter(|user| user.status == UserStatus::Active && user.is_session_valid(row.id.into(), row.epoch));
        let Some(user) = session_owner else {
            self.store.sessions.delete(row.id.into()).await?;
            return Err(RefreshError::Invalid);
        };
        let n = u32::try_from(row.n).map_err(|error| Failure::Internal(error.into()))?;
        Ok(self.issue_tokens(&user, row.id.into(), row.epoch, &row.salt.bytes, n, row.created_at.into())?)
    }
}
