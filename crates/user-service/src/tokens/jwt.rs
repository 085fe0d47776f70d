//! The only place that signs and verifies a JWT (RFC 7515, RFC 7519): any claims, with our issuer, audience and expiry.

use std::{borrow::Cow, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use jwt_compact::{Algorithm, AlgorithmExt, AlgorithmSignature, Claims, Header, UntrustedToken};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    domain::{SigningAlgorithm, TokenType},
    keys::{KeyPair, PublicKey, SigningKeys, SigningUnavailable},
};

/// A signed token.
pub struct IssuedToken {
    pub token: secrecy::SecretString,
    pub expires_in: Duration,
}

/// The reason why an access token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the access token is not valid")]
    Invalid,
    #[error("the access token has expired")]
    Expired,
}

/// A token whose signature, issuer and audience were verified. It may have expired since.
#[derive(Debug)]
pub struct VerifiedToken<C> {
    pub claims: Arc<C>,
    pub(super) kid: String,
    /// `iat` in seconds since 1970.
    pub issued_at: i64,
    /// `exp` in seconds since 1970.
    pub expires_at: i64,
}

impl<C> Clone for VerifiedToken<C> {
    fn clone(&self) -> Self {
        Self { claims: Arc::clone(&self.claims), kid: self.kid.clone(), ..*self }
    }
}

/// The claims of a token besides `iat` and `exp`: its issuer, its audience, and its own ones.
#[derive(Serialize, Deserialize)]
struct Addressed<Text, C> {
    iss: Text,
    aud: Text,
    #[serde(flatten)]
    own: C,
}

/// Signs and verifies with the signing keys.
#[derive(Clone)]
pub struct Jwts {
    keys: Arc<SigningKeys>,
    issuer: String,
    audience: String,
    token_type: TokenType,
}

impl Jwts {
    /// Creates the issuer and verifier. Tokens get `token_type`, and both types are accepted.
    #[must_use]
    pub fn new(keys: Arc<SigningKeys>, issuer: String, audience: String, token_type: TokenType) -> Self {
        Self { keys, issuer, audience, token_type }
    }

    #[must_use]
    pub fn keys(&self) -> &SigningKeys {
        &self.keys
    }

    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Signs claims. `iss`, `aud`, `iat` and `exp` are added. The token expires after `ttl`, but not after `ends_at`, nor
    /// after the longest lifetime that the signing keys know, because its key might be removed before.
    ///
    /// # Errors
    /// Returns [`SigningUnavailable`] while the key set is not fresh.
    ///
    /// # Panics
    /// Panics if the claims are no JSON object.
    pub fn sign(
        &self,
        claims: &impl Serialize,
        ttl: Duration,
        ends_at: Timestamp,
    ) -> Result<IssuedToken, SigningUnavailable> {
        let key = self.keys.current_key()?;
        let ttl = SignedDuration::try_from(ttl).unwrap_or(SignedDuration::MAX).min(key.longest_ttl);
        let expires = key.now.saturating_add(ttl).unwrap_or(Timestamp::MAX).min(ends_at.max(key.now));
        let claims = Addressed { iss: &self.issuer, aud: &self.audience, own: claims };
        let typ = key.required_type.unwrap_or(self.token_type);
        let token = sign_with(&key.pair, &key.kid, typ.name(), claims, key.now, expires);
        let expires_in = Duration::try_from(expires.duration_since(key.now)).unwrap_or_default();
        Ok(IssuedToken { token: token.into(), expires_in })
    }

    /// Verifies a token: its type, signature, issuer, audience and expiry, and that its claims are of this type.
    ///
    /// # Errors
    /// Returns [`TokenError`], without details that would help a forger.
    pub async fn verify<C: DeserializeOwned>(&self, text: &str) -> Result<VerifiedToken<C>, TokenError> {
        let token = parse_unverified(text)?;
        let kid = token.header().key_id.as_deref().ok_or(TokenError::Invalid)?;
        let (key, now) = self.keys.verifying_key(kid).await.ok_or(TokenError::Invalid)?;
        let verified = verify_with(&token, kid, &key, &self.issuer, &self.audience)?;
        verified.check_expiry(now)?;
        Ok(verified)
    }

    /// Checks that a token which was verified before is still valid: its key was not removed, and it has not expired.
    ///
    /// # Errors
    /// Returns [`TokenError`].
    pub async fn check_again<C>(&self, verified: &VerifiedToken<C>) -> Result<(), TokenError> {
        let (_, now) = self.keys.verifying_key(&verified.kid).await.ok_or(TokenError::Invalid)?;
        verified.check_expiry(now)
    }
}

impl<C> VerifiedToken<C> {
    /// Checks that the token has not expired at `now`.
    pub(super) fn check_expiry(&self, now: Timestamp) -> Result<(), TokenError> {
        if self.expires_at <= now.as_second() { Err(TokenError::Expired) } else { Ok(()) }
    }
}

/// Signs claims with this key.
pub(super) fn sign_with(
    pair: &KeyPair,
    kid: &str,
    typ: &str,
    claims: impl Serialize,
    now: Timestamp,
    expires: Timestamp,
) -> String {
    let mut claims = Claims::new(claims);
    claims.issued_at = date_time(now);
    claims.expiration = date_time(expires);
    let header = Header::empty().with_token_type(typ).with_key_id(kid);
    Jws(pair.public().algorithm()).token(&header, &claims, pair).expect("claims serialise to an object")
}

/// Parses a text in the form of an access token. Its content is not verified.
pub(super) fn parse_unverified(text: &str) -> Result<UntrustedToken<'_>, TokenError> {
    let token = UntrustedToken::new(text).map_err(|_| TokenError::Invalid)?;
    let accepted = token.header().token_type.as_deref().is_some_and(TokenType::is_accepted);
    if accepted { Ok(token) } else { Err(TokenError::Invalid) }
}

/// Verifies everything but the expiry with this key.
pub(super) fn verify_with<C: DeserializeOwned>(
    token: &UntrustedToken<'_>,
    kid: &str,
    key: &PublicKey,
    issuer: &str,
    audience: &str,
) -> Result<VerifiedToken<C>, TokenError> {
    // The key decides on the algorithm, and the header has to agree.
    let algorithm = Jws(key.algorithm());
    let validated = algorithm.validator::<Addressed<String, C>>(key).validate(token);
    let (_, claims) = validated.map_err(|_| TokenError::Invalid)?.into_parts();
    let seconds = |at: Option<chrono::DateTime<_>>| at.map(|at| at.timestamp()).ok_or(TokenError::Invalid);
    let (issued_at, expires_at) = (seconds(claims.issued_at)?, seconds(claims.expiration)?);
    let Addressed { iss, aud, own } = claims.custom;
    if iss != issuer || aud != audience {
        return Err(TokenError::Invalid);
    }
    Ok(VerifiedToken { claims: Arc::new(own), kid: kid.to_owned(), issued_at, expires_at })
}

fn date_time(at: Timestamp) -> Option<chrono::DateTime<chrono::Utc>> {
    chrono::DateTime::from_timestamp(at.as_second(), 0)
}

/// The algorithms in the form that jwt-compact requires.
struct Jws(SigningAlgorithm);

struct Signature(Vec<u8>);

impl AlgorithmSignature for Signature {
    fn try_from_slice(slice: &[u8]) -> anyhow::Result<Self> {
        Ok(Self(slice.to_vec()))
    }

    fn as_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }
}

impl Algorithm for Jws {
    type SigningKey = KeyPair;
    type VerifyingKey = PublicKey;
    type Signature = Signature;

    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(self.0.name())
    }

    fn sign(&self, pair: &KeyPair, message: &[u8]) -> Signature {
        Signature(pair.sign(message))
    }

    fn verify_signature(&self, signature: &Signature, key: &PublicKey, message: &[u8]) -> bool {
        key.algorithm() == self.0 && key.verifies(message, &signature.0)
    }
}
