//! The access tokens of clients: JWTs with the claims of RFC 9068 for the grant "client credentials". They differ from
//! the tokens of users by their claims: `sub` is `client:<id>`, they have a `scope`, and they have no session.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    jwt::{IssuedToken, Jwts, TokenError, VerifiedToken},
    verified_token_cache::VerifiedTokenCache,
};
use crate::{
    domain::{ClientId, Scopes},
    keys::SigningUnavailable,
};

/// The claims of a client's token, except `iss`, `aud`, `iat` and `exp`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ClientClaims {
    /// `client:` and the client's id.
    sub: String,
    client_id: Uuid,
    /// The token's own id.
    jti: Uuid,
    scope: String,
}

/// A client's token that was verified.
#[derive(Debug, Clone)]
pub struct ClientToken {
    pub client: ClientId,
    pub id: Uuid,
    pub scopes: Scopes,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Signs and verifies the tokens of clients.
#[derive(Clone)]
pub struct ClientTokens {
    jwts: Jwts,
    ttl: Duration,
    verified: Arc<VerifiedTokenCache<VerifiedToken<ClientClaims>>>,
}

impl ClientTokens {
    /// Creates the issuer and verifier. `ttl` is the lifetime of a token.
    #[must_use]
    pub fn new(jwts: Jwts, ttl: Duration) -> Self {
        Self { jwts, ttl, verified: Arc::new(VerifiedTokenCache::new()) }
    }

    /// Returns the issuer of the tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.jwts.issuer()
    }

    /// Returns the audience of the tokens.
    #[must_use]
    pub fn audience(&self) -> &str {
        self.jwts.audience()
    }

    /// Issues a token with these scopes.
    ///
    /// # Errors
    /// Returns [`SigningUnavailable`] while the key set is not fresh.
    pub fn issue(&self, client: ClientId, scopes: &Scopes, token_id: Uuid) -> Result<IssuedToken, SigningUnavailable> {
        let claims =
            ClientClaims { sub: client.subject(), client_id: client.into(), jti: token_id, scope: scopes.to_string() };
        self.jwts.sign(&claims, self.ttl, Timestamp::MAX)
    }

    /// Returns whether the text claims to be a client's token, and not a user's. Nothing is verified.
    #[must_use]
    pub fn is_for_client(text: &str) -> bool {
        #[derive(Deserialize)]
        struct Subject {
            sub: String,
        }
        let claims = text.split('.').nth(1).and_then(|claims| BASE64_URL_SAFE_NO_PAD.decode(claims).ok());
        let subject = claims.and_then(|claims| serde_json::from_slice::<Subject>(&claims).ok());
        subject.is_some_and(|Subject { sub }| ClientId::from_subject(&sub).is_some())
    }

    /// Verifies a client's token: its signature, issuer, audience and expiry, and that its claims are those of a client.
    ///
    /// # Errors
    /// Returns [`TokenError`], without details that would help a forger.
    pub async fn verify(&self, text: &str) -> Result<ClientToken, TokenError> {
        if let Some(cached) = self.verified.get(text) {
            self.jwts.check_again(&cached).await?;
            return client_token(&cached);
        }
        let verified = self.jwts.verify(text).await?;
        let token = client_token(&verified)?;
        self.verified.insert(text, &verified);
        Ok(token)
    }
}

/// Returns the token if its claims are those of a client.
fn client_token(verified: &VerifiedToken<ClientClaims>) -> Result<ClientToken, TokenError> {
    let ClientClaims { sub, client_id, jti, scope } = &*verified.claims;
    let time = |second| Timestamp::from_second(second).map_err(|_| TokenError::Invalid);
    let client = ClientId::from_subject(sub).filter(|client| Uuid::from(*client) == *client_id);
    Ok(ClientToken {
        client: client.ok_or(TokenError::Invalid)?,
        id: *jti,
        scopes: Scopes::parse_parameter(scope).ok_or(TokenError::Invalid)?,
        issued_at: time(verified.issued_at)?,
        expires_at: time(verified.expires_at)?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "019f2b4c-7a10-7c3e-9b1d-5f2a8e6d4c31";

    fn verified(claims: Value) -> Option<VerifiedToken<ClientClaims>> {
        let claims = Arc::new(serde_json::from_value(claims).ok()?);
        Some(VerifiedToken { claims, kid: "k".to_owned(), issued_at: 1000, expires_at: 1300 })
    }

    #[test]
    fn only_the_claims_of_a_client_make_a_token_of_a_client() {
        let subject = format!("client:{ID}");
        let claims = json!({ "sub": subject, "client_id": ID, "jti": ID, "scope": "users:read" });
        let token = client_token(&verified(claims.clone()).unwrap()).unwrap();
        assert_eq!((token.client.to_string().as_str(), token.scopes.to_string().as_str()), (ID, "users:read"));
        assert_eq!((token.issued_at.as_second(), token.expires_at.as_second()), (1000, 1300));
        for (member, value) in [
            // A user whose attributes are claims may have a `scope`, but never such a `sub`.
            ("sub", json!(ID)),
            ("sub", json!("client:019f2b4c-7a10-7c3e-9b1d-5f2a8e6d4c32")),
            ("client_id", json!("user-service")),
            ("client_id", Value::Null),
            ("scope", json!("users:read admin")),
            ("scope", json!(["users:read"])),
            ("scope", Value::Null),
            ("jti", json!(7)),
        ] {
            let mut other = claims.clone();
            other[member] = value.clone();
            assert!(verified(other).is_none_or(|it| client_token(&it).is_err()), "{member}: {value}");
        }
    }

    #[test]
    fn the_subject_says_whether_a_token_is_that_of_a_client() {
        let with = |payload: &str| format!("e30.{}.AAAA", BASE64_URL_SAFE_NO_PAD.encode(payload));
        assert!(ClientTokens::is_for_client(&with(&format!(r#"{{"sub":"client:{ID}"}}"#))));
        for other in [
            with(&format!(r#"{{"sub":"{ID}"}}"#)),
            with(r#"{"sub":"client:x"}"#),
            with(r#"{"sub":7}"#),
            with("{}"),
            with(""),
            "..".to_owned(),
            "client:x".to_owned(),
            String::new(),
        ] {
            assert!(!ClientTokens::is_for_client(&other), "{other}");
        }
    }
}
