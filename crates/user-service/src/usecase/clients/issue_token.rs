//! Issues a token to a client (RFC 6749, section 4.4). It costs one read, of the client.

use std::time::Duration;

use secrecy::SecretString;

use super::{authenticate_client::ClientCredentials, oauth_error::OAuthError};
use crate::{domain::Scopes, outbox::Origin, usecase::account_service::AccountService};

/// The only grant type.
const CLIENT_CREDENTIALS: &str = "client_credentials";

/// A new token of a client.
pub struct IssuedClientToken {
    pub token: SecretString,
    pub expires_in: Duration,
    pub scopes: Scopes,
}

/// Issues a token with the requested scopes, or with all scopes of the client.
///
/// # Errors
/// Returns [`OAuthError`].
pub async fn issue_client_token(
    accounts: &AccountService,
    credentials: &ClientCredentials,
    grant_type: &str,
    scope: Option<&str>,
    origin: &Origin,
) -> Result<IssuedClientToken, OAuthError> {
    if grant_type != CLIENT_CREDENTIALS {
        return Err(OAuthError::UnsupportedGrantType);
    }
    let client = accounts.authenticate_client(credentials, origin).await?.client();
    let scopes = match scope {
        None => client.scopes,
        Some(requested) => Scopes::parse_parameter(requested)
            .filter(|requested| client.scopes.has_all(requested))
            .ok_or(OAuthError::InvalidScope)?,
    };
    let issued = accounts.client_tokens.issue(client.id, &scopes, accounts.ids.v4())?;
    Ok(IssuedClientToken { token: issued.token, expires_in: issued.expires_in, scopes })
}
