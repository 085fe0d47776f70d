//! Access tokens: JWTs with the claims of RFC 9068.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    jwt::{IssuedToken, Jwts, TokenError, VerifiedToken},
    verified_token_cache::VerifiedTokenCache,
};
use crate::keys::{PublishedKey, SigningUnavailable};

/// The claims of a user's access token, except `iss`, `aud`, `iat` and `exp`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The user's id.
    pub sub: Uuid,
    pub client_id: String,
    /// The token's own id.
    pub jti: Uuid,
    /// The session's id.
    pub sid: Uuid,
    /// The user's session epoch at the start of the session.
    pub epoch: i64,
    pub roles: Vec<String>,
}

/// The user of a token.
pub struct Subject<'a> {
    pub user: Uuid,
    pub roles: &'a [String],
    /// The configured claims, for other services: this one does not read them.
    pub configured: Map<String, Value>,
}

#[derive(Serialize)]
struct IssuedClaims {
    #[serde(flatten)]
    claims: AccessClaims,
    #[serde(flatten)]
    configured: Map<String, Value>,
}

/// Signs and verifies access tokens.
#[derive(Clone)]
pub struct AccessTokens {
    jwts: Jwts,
    ttl: Duration,
    verified: Arc<VerifiedTokenCache<VerifiedToken<AccessClaims>>>,
}

impl AccessTokens {
    /// Creates the issuer and verifier. `ttl` is the maximum lifetime of a user's token.
    #[must_use]
    pub fn new(jwts: Jwts, ttl: Duration) -> Self {
        Self { jwts, ttl, verified: Arc::new(VerifiedTokenCache::new()) }
    }

    /// Returns the maximum lifetime of a user's token.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Checks that a token could be signed now.
    ///
    /// # Errors
    /// Returns [`SigningUnavailable`] while the key set is not fresh.
    pub fn can_issue(&self) -> Result<(), SigningUnavailable> {
        self.jwts.keys().current_key().map(drop)
    }

    /// Issues a token for a session that ends at `ends_at`. The token does not outlive the session, so a request that
    /// ends all sessions of a user finds every session that still has a valid token.
    ///
    /// # Errors
    /// Returns [`SigningUnavailable`] while the key set is not fresh.
    pub fn issue(
        &self,
        subject: Subject<'_>,
        session: Uuid,
        epoch: i64,
        token_id: Uuid,
        ends_at: Timestamp,
    ) -> Result<IssuedToken, SigningUnavailable> {
        let claims = AccessClaims {
            sub: subject.user,
            client_id: self.jwts.audience().to_owned(),
            jti: token_id,
            sid: session,
            epoch,
            roles: subject.roles.to_vec(),
        };
        self.jwts.sign(&IssuedClaims { claims, configured: subject.configured }, self.ttl, ends_at)
    }

    /// Returns the public keys that verify the tokens.
    ///
    /// # Errors
    /// Returns [`SigningUnavailable`] before the key set was read, because no token can be verified yet.
    pub fn published_keys(&self) -> Result<Vec<PublishedKey>, SigningUnavailable> {
        self.jwts.keys().published_keys().ok_or(SigningUnavailable)
    }

    /// Verifies a user's token: its signature, issuer, audience and expiry. Returns its claims.
    ///
    /// # Errors
    /// Returns [`TokenError`], without details that would help a forger.
    pub async fn verify(&self, text: &str) -> Result<Arc<AccessClaims>, TokenError> {
        if let Some(cached) = self.verified.get(text) {
            self.jwts.check_again(&cached).await?;
            return Ok(cached.claims);
        }
        let verified = self.jwts.verify(text).await?;
        self.verified.insert(text, &verified);
        Ok(verified.claims)
    }
}
