//! Authenticates a caller: verifies the access token and reads the current account. Because the account is read for
//! every request, "end all sessions" takes effect on access tokens immediately.

use service_kit::mongo::StoreError;
use uuid::Uuid;

use crate::{
    domain::UserStatus,
    store::UserRecord,
    usecase::{account_service::AccountService, failure::Failure},
};

/// A user who is signed in.
pub struct Caller {
    pub user: UserRecord,
    pub session: Uuid,
    pub epoch: i64,
}

/// The reason why the caller is not authenticated.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    #[error("the access token is missing or invalid")]
    Unauthorized,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl AccountService {
    /// Returns the caller with the account as it is now, or `None` if the session has ended with all others meanwhile.
    pub(in crate::usecase) async fn reload_caller(&self, caller: Caller) -> Result<Option<Caller>, StoreError> {
        let user = self.store.users.by_id(caller.user.id.into()).await?;
        let signed_in = user.filter(|user| is_signed_in(user, caller.session, caller.epoch));
        Ok(signed_in.map(|user| Caller { user, ..caller }))
    }
}

fn is_signed_in(user: &UserRecord, session: Uuid, epoch: i64) -> bool {
    user.status == UserStatus::Active && user.is_session_valid(session, epoch)
}

/// Returns the caller of a valid access token whose session has not been ended with all others.
///
/// # Errors
/// Returns [`AuthenticateError::Unauthorized`], also if the account was deleted or disabled.
pub async fn authenticate(accounts: &AccountService, token: &str) -> Result<Caller, AuthenticateError> {
    let claims = match accounts.access_tokens.verify(token).await {
        Ok(claims) => claims,
        Err(_) => {
            // No token can be verified before the key set was read.
            accounts.access_tokens.published_keys().map_err(Failure::from)?;
            return Err(AuthenticateError::Unauthorized);
        }
    };
    let user = accounts.store.users.by_id(claims.sub).await.map_err(Failure::from)?;
    user.filter(|user| is_signed_in(user, claims.sid, claims.epoch))
        .map(|user| Caller { user, session: claims.sid, epoch: claims.epoch })
        .ok_or(AuthenticateError::Unauthorized)
}
