//! Authenticates a client by its id and its secret.

use secrecy::SecretString;
use subtle::{Choice, ConstantTimeEq};

use super::oauth_error::OAuthError;
use crate::{
    domain::{ClientId, ClientSecret},
    outbox::Origin,
    store::ClientRecord,
    usecase::account_service::AccountService,
};

/// Id and secret as a client sends them.
pub struct ClientCredentials {
    pub id: String,
    pub secret: SecretString,
}

impl AccountService {
    /// Returns the client with these credentials. Only failures are charged, to the network of the request: a client that
    /// authenticates is never refused because of the failures of others, and its secret cannot be guessed.
    ///
    /// # Errors
    /// Returns [`OAuthError::InvalidClient`], without the reason; after too many of them from this network,
    /// [`Problem::RateLimited`](crate::problem::Problem::RateLimited).
    pub(super) async fn authenticate_client(
        &self,
        credentials: &ClientCredentials,
        origin: &Origin,
    ) -> Result<ClientRecord, OAuthError> {
        let found = match ClientId::parse(&credentials.id) {
            Some(id) => self.store.clients.by_id(id).await?,
            None => None,
        };
        let digest = ClientSecret::parse(&credentials.secret).map(|secret| secret.digest());
        let is_authentic = |client: &ClientRecord| {
            let Some(digest) = digest else { return false };
            let equals = |valid: Choice, stored: &[u8]| valid | stored.ct_eq(&digest);
            client.secret_digests().fold(Choice::from(0), equals).into()
        };
        if let Some(client) = found.filter(|client| !client.is_disabled()).filter(is_authentic) {
            return Ok(client);
        }
        self.rate_limiter.charge_client_failure(origin).await?;
        Err(OAuthError::InvalidClient)
    }
}
