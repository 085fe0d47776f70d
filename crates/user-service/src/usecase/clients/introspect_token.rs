//! Introspects a token (RFC 7662): whether it is active now, and what it says.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{authenticate_client::ClientCredentials, oauth_error::OAuthError};
use crate::{
    domain::{ClientId, Scope, Scopes, User},
    outbox::Origin,
    problem::Problem,
    tokens::ClientTokens,
    usecase::{account_service::AccountService, sessions::authenticate::authenticate_session},
};

/// What an active token says.
pub struct Introspection {
    pub subject: TokenSubject,
    /// The `client_id` of the token.
    pub client_id: String,
    /// The id of the token.
    pub id: Uuid,
    pub issuer: String,
    pub audience: String,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

/// The subject of a token.
pub enum TokenSubject {
    User {
        /// The account as it is now, with its roles.
        user: Box<User>,
        session: Uuid,
    },
    Client {
        id: ClientId,
        /// The scopes of the token.
        scopes: Scopes,
    },
}

/// Returns what the token says, or `None` if it is not active. The account and the session of a user, or the client, are
/// read each time, so a token whose session has ended, whose account or client is disabled, or that was revoked is not
/// active from that moment on. A refresh token is never active.
///
/// # Errors
/// Returns [`OAuthError`], also if the calling client does not have the scope for this.
pub async fn introspect_token(
    accounts: &AccountService,
    credentials: &ClientCredentials,
    token: &SecretString,
    origin: &Origin,
) -> Result<Option<Introspection>, OAuthError> {
    let caller = accounts.authenticate_client(credentials, origin).await?.client();
    if !caller.scopes.has(Scope::TokensIntrospect) {
        return Err(OAuthError::UnauthorizedClient("The client does not have the scope `tokens:introspect`."));
    }
    let text = token.expose_secret();
    let introspected =
        if ClientTokens::is_for_client(text) { of_client(accounts, text).await } else { of_user(accounts, text).await };
    match introspected {
        Ok(introspection) => Ok(Some(introspection)),
        Err(Problem::Unauthorized) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

async fn of_user(accounts: &AccountService, text: &str) -> Result<Introspection, Problem> {
    let user = authenticate_session(accounts, text).await?;
    let token = accounts.access_tokens.verify_token(text).await.map_err(|_| Problem::Unauthorized)?;
    let time = |second| Timestamp::from_second(second).map_err(|_| Problem::Unauthorized);
    Ok(Introspection {
        subject: TokenSubject::User { user: Box::new(user), session: token.claims.sid },
        client_id: token.claims.client_id.clone(),
        id: token.claims.jti,
        issuer: accounts.client_tokens.issuer().to_owned(),
        audience: accounts.client_tokens.audience().to_owned(),
        issued_at: time(token.issued_at)?,
        expires_at: time(token.expires_at)?,
    })
}

async fn of_client(accounts: &AccountService, text: &str) -> Result<Introspection, Problem> {
    let token = accounts.active_client_token(text).await?;
    Ok(Introspection {
        client_id: token.client.to_string(),
        subject: TokenSubject::Client { id: token.client, scopes: token.scopes },
        id: token.id,
        issuer: accounts.client_tokens.issuer().to_owned(),
        audience: accounts.client_tokens.audience().to_owned(),
        issued_at: token.issued_at,
        expires_at: token.expires_at,
    })
}
