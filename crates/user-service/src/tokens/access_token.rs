//! Access tokens: JWTs with the claims of RFC 9068, signed with Ed25519.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use jwt_compact::{AlgorithmExt, Claims, Header, UntrustedToken, alg::Ed25519};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::verified_token_cache::VerifiedTokenCache;
use crate::keys::{PublishedKey, SigningKeys, SigningUnavailable};

/// The `typ` header of access tokens (RFC 9068, section 2.1).
const TOKEN_TYPE: &str = "at+jwt";

/// The claims of an access token, except `iat` and `exp`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    pub iss: String,
    pub aud: String,
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

/// A signed access token.
pub struct IssuedToken {
    pub token: secrecy::SecretString,
    pub expires_in: Duration,
}

/// The reason why an access token is refused.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the access token is not valid")]
    Invalid,
    #[error("the access token has expired")]
    Expired,
}

/// Signs and verifies access tokens.
#[derive(Clone)]
pub struct AccessTokens {
    keys: Arc<SigningKeys>,
    issuer: String,
    audience: String,
    ttl: Duration,
    verified: Arc<VerifiedTokenCache<VerifiedToken>>,
}

impl AccessTokens {
    /// Creates the issuer and verifier. `ttl` is the maximum lifetime of a token.
    #[must_use]
    pub fn new(keys: Arc<SigningKeys>, issuer: String, audience: String, ttl: Duration) -> Self {
        Self { keys, issuer, audience, ttl, verified: Arc::new(VerifiedTokenCache::new()) }
    }

    /// Returns the maximum lifetime of a token.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Checks that a token could be signed now.
    ///
    /// # Errors
    /// Returns [`SigningUnavailable`] while the key set is not fresh.
    pub fn can_issue(&self) -> Result<(), SigningUnavailable> {
        self.keys.current_key().map(drop)
    }

    /// Issues a token for a session that ends at `ends_at`. The token does not outlive the session, so a request that
    /// ends all sessions of a user finds every session that still has a valid token.
    ///
    /// # Errors
    /// Returns [`SigningUnavailable`] while the key set is not fresh.
    pub fn issue(
        &self,
        user: Uuid,
        session: Uuid,
        epoch: i64,
        roles: &[String],
        token_id: Uuid,
        ends_at: Timestamp,
    ) -> Result<IssuedToken, SigningUnavailable> {
        let key = self.keys.current_key()?;
        let claims = AccessClaims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user,
            client_id: self.audience.clone(),
            jti: token_id,
            sid: session,
            epoch,
            roles: roles.to_vec(),
        };
        let header = Header::empty().with_token_type(TOKEN_TYPE).with_key_id(key.kid);
        let expires = key.now.saturating_add(self.ttl).unwrap_or(Timestamp::MAX).min(ends_at.max(key.now));
        let mut claims = Claims::new(claims);
        claims.issued_at = date_time(key.now);
        claims.expiration = date_time(expires);
        let token =
            Ed25519.token(&header, &claims, &key.private).expect("claims of plain strings and numbers serialise");
        let expires_in = Duration::try_from(expires.duration_since(key.now)).unwrap_or_default();
        Ok(IssuedToken { token: token.into(), expires_in })
    }

    /// Returns the public keys that verify the tokens.
    ///
    /// # Errors
    /// Returns [`SigningUnavailable`] before the key set was read, because no token can be verified yet.
    pub fn published_keys(&self) -> Result<Vec<PublishedKey>, SigningUnavailable> {
        self.keys.published_keys().ok_or(SigningUnavailable)
    }

    /// Verifies a token: its signature, issuer, audience and expiry. Returns its claims.
    ///
    /// # Errors
    /// Returns [`TokenError`], without details that would help a forger.
    pub async fn verify(&self, text: &str) -> Result<Arc<AccessClaims>, TokenError> {
        if let Some(cached) = self.verified.get(text) {
            let (_, now) = self.keys.verifying_key(&cached.kid).await.ok_or(TokenError::Invalid)?;
            return cached.unexpired_claims(now);
        }
        let token = parse_unverified(text)?;
        let kid = token.header().key_id.as_deref().ok_or(TokenError::Invalid)?;
        let (key, now) = self.keys.verifying_key(kid).await.ok_or(TokenError::Invalid)?;
        let genuine = verify_signature(&token, kid, &key)?;
        if genuine.claims.iss != self.issuer || genuine.claims.aud != self.audience {
            return Err(TokenError::Invalid);
        }
        let claims = genuine.unexpired_claims(now)?;
        self.verified.insert(text, &genuine);
        Ok(claims)
    }
}

/// A token whose signature by our key `kid` was verified.
#[derive(Debug, Clone)]
pub(super) struct VerifiedToken {
    pub(super) kid: String,
    pub(super) claims: Arc<AccessClaims>,
    /// The expiry in seconds since 1970.
    pub(super) expires: i64,
}

impl VerifiedToken {
    /// Returns the claims if the token has not expired at `now`.
    pub(super) fn unexpired_claims(&self, now: Timestamp) -> Result<Arc<AccessClaims>, TokenError> {
        if self.expires <= now.as_second() { Err(TokenError::Expired) } else { Ok(Arc::clone(&self.claims)) }
    }
}

/// Parses a text in the form of an access token. Its content is not verified.
pub(super) fn parse_unverified(text: &str) -> Result<UntrustedToken<'_>, TokenError> {
    let token = UntrustedToken::new(text).map_err(|_| TokenError::Invalid)?;
    let typed = token.header().token_type.as_deref().is_some_and(|typ| typ.eq_ignore_ascii_case(TOKEN_TYPE));
    if typed { Ok(token) } else { Err(TokenError::Invalid) }
}

/// Verifies the signature with this key.
pub(super) fn verify_signature(
    token: &UntrustedToken<'_>,
    kid: &str,
    key: &ed25519_dalek::VerifyingKey,
) -> Result<VerifiedToken, TokenError> {
    let token = Ed25519.validator::<AccessClaims>(key).validate(token).map_err(|_| TokenError::Invalid)?;
    let expires = token.claims().expiration.ok_or(TokenError::Invalid)?.timestamp();
    Ok(VerifiedToken { kid: kid.to_owned(), claims: Arc::new(token.claims().custom.clone()), expires })
}

fn date_time(at: Timestamp) -> Option<chrono::DateTime<chrono::Utc>> {
    chrono::DateTime::from_timestamp(at.as_second(), 0)
}
