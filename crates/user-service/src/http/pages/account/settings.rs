//! What the account pages need besides the use cases. Part of the application's data.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    http::{cookies::CookieSettings, middleware::cross_origin::AllowedOrigins},
    keys::{KeyEncryptionKey, hmac_sha256},
};

/// The settings of the account pages.
pub struct PageSettings {
    /// Whether there are account pages.
    pub(in crate::http::pages) is_enabled: bool,
    pub(super) cookies: CookieSettings,
    pub(super) csrf: CsrfTokens,
    /// The origins to which a reader may return.
    pub(super) origins: AllowedOrigins,
    /// The same for the content security policy: with a space before each.
    pub(super) form_targets: String,
}

impl PageSettings {
    /// Creates the settings.
    #[must_use]
    pub fn new(is_enabled: bool, cookies: CookieSettings, key: &KeyEncryptionKey, origins: AllowedOrigins) -> Self {
        let form_targets = origins.iter().map(|origin| format!(" {origin}")).collect();
        Self { is_enabled, cookies, csrf: CsrfTokens::new(key), origins, form_targets }
    }
}

/// Issues and verifies the tokens in the forms of a session: an HMAC of its id. Another site does not know the token.
pub(super) struct CsrfTokens(Zeroizing<[u8; 32]>);

impl CsrfTokens {
    fn new(key: &KeyEncryptionKey) -> Self {
        Self(key.derive("page-form/v1"))
    }

    /// Returns the token of the forms of a session.
    pub(super) fn issue(&self, session: Uuid) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hmac_sha256(&self.0, &[session.as_bytes()]))
    }

    /// Returns whether the token is that of the session. Compares in constant time.
    pub(super) fn is_valid(&self, token: &str, session: Uuid) -> bool {
        self.issue(session).as_bytes().ct_eq(token.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_valid_only_for_its_session_and_key() {
        let [tokens, another] = [1, 2].map(|byte| CsrfTokens::new(&KeyEncryptionKey::for_test(byte)));
        let (session, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let token = tokens.issue(session);
        assert!(tokens.is_valid(&token, session));
        assert!(!tokens.is_valid(&token, other));
        assert!(!another.is_valid(&token, session));
        assert!(!tokens.is_valid("", session));
    }
}
