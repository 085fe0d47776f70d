//! Revokes a token for a client (RFC 7009).

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::{authenticate_client::ClientCredentials, oauth_error::OAuthError};
use crate::{outbox::Origin, tokens::ClientTokens, usecase::account_service::AccountService};

/// Revokes a token. A client revokes its own access tokens. A refresh token of a user ends its session, as a logout does,
/// for which the token is enough. A token that is unknown, has expired or was revoked is no error.
///
/// # Errors
/// Returns [`OAuthError`]: [`OAuthError::InvalidGrant`] for the token of another client, and
/// [`OAuthError::UnsupportedTokenType`] for the access token of a user.
pub async fn revoke_token(
    accounts: &Arc<AccountService>,
    credentials: &ClientCredentials,
    token: &SecretString,
    origin: Origin,
) -> Result<(), OAuthError> {
    let client = accounts.authenticate_client(credentials, &origin).await?.client().id;
    let text = token.expose_secret();
    if ClientTokens::is_for_client(text) {
        let Some(token) = accounts.genuine(accounts.client_tokens.verify(text).await)? else { return Ok(()) };
        if token.client != client {
            return Err(OAuthError::InvalidGrant);
        }
        let clients = accounts.store.clients.clone();
        let revoke = async move { Ok(clients.revoke_token(client, token.id, token.expires_at).await?) };
        accounts.writes.run_to_completion(revoke).await?;
        return Ok(());
    }
    if accounts.access_tokens.verify(text).await.is_ok() {
        return Err(OAuthError::UnsupportedTokenType);
    }
    Ok(accounts.log_out(token, origin.by_client(client)).await?)
}
