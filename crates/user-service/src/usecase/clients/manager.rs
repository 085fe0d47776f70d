//! Authenticates who manages accounts: an administrator, or a client with a scope.

use crate::{
    domain::{Scope, Scopes, role},
    outbox::Origin,
    problem::Problem,
    tokens::{ClientToken, ClientTokens},
    usecase::{account_service::AccountService, sessions::authenticate::authenticate},
};

/// An administrator, or a client.
pub struct Manager {
    /// The origin of the request, with the manager as the actor.
    pub origin: Origin,
    /// The scopes of the token of a client; `None` for an administrator, who needs none.
    scopes: Option<Scopes>,
}

impl Manager {
    /// Checks that the manager is an administrator, or a client whose token has one of these scopes.
    ///
    /// # Errors
    /// Returns [`Problem::InsufficientScope`].
    pub fn require(&self, any_of: &[Scope]) -> Result<(), Problem> {
        let has_one = |scopes: &Scopes| any_of.iter().any(|scope| scopes.has(*scope));
        if self.scopes.as_ref().is_none_or(has_one) {
            return Ok(());
        }
        Err(Problem::InsufficientScope(any_of.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")))
    }
}

/// Returns the manager of this access token. The account of an administrator, or the client, is read each time, so that
/// a lost role, a disabled client and a revoked token take effect immediately.
///
/// # Errors
/// Returns [`Problem::Unauthorized`] for an invalid token; [`Problem::Forbidden`] for a user who is not an administrator.
pub async fn authenticate_manager(accounts: &AccountService, token: &str, origin: Origin) -> Result<Manager, Problem> {
    if !ClientTokens::is_for_client(token) {
        let caller = authenticate(accounts, token).await?;
        if !role::has_admin(&caller.user.roles) {
            return Err(Problem::Forbidden);
        }
        return Ok(Manager { origin: origin.by_admin(caller.user.id.into()), scopes: None });
    }
    let token = accounts.active_client_token(token).await?;
    Ok(Manager { origin: origin.by_client(token.client), scopes: Some(token.scopes) })
}

impl AccountService {
    /// Returns the token of a client that is not disabled and has not revoked it. Reads the client.
    ///
    /// # Errors
    /// Returns [`Problem::Unauthorized`].
    pub(super) async fn active_client_token(&self, text: &str) -> Result<ClientToken, Problem> {
        let token = self.genuine(self.client_tokens.verify(text).await)?.ok_or(Problem::Unauthorized)?;
        let client = self.store.clients.by_id(token.client).await?;
        let is_active = client.is_some_and(|client| client.accepts_token(token.id, token.issued_at));
        if is_active { Ok(token) } else { Err(Problem::Unauthorized) }
    }
}
