//! Refresh tokens: `base64url(sessionId ‖ n ‖ HMAC-SHA-256(K, salt ‖ n))`. The stored session contains the salt and the
//! current n, but no token.

use secrecy::SecretString;
use service_kit::random_bytes;
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::authenticated_text::{self, TokenMac};
use crate::keys::{KeyEncryptionKey, hmac_sha256};

const ID_BYTES: usize = 16;
/// The session's id and the number of the token.
const FIELD_BYTES: usize = ID_BYTES + 4;

/// A token that was parsed but not verified.
pub struct RefreshToken {
    pub session: Uuid,
    pub n: u32,
    mac: TokenMac,
}

impl RefreshToken {
    /// Parses the text form. Returns `None` for any other text.
    #[must_use]
    pub fn parse(text: &SecretString) -> Option<Self> {
        let (fields, mac) = authenticated_text::decode::<FIELD_BYTES>(text)?;
        let (id, n) = fields.split_first_chunk::<ID_BYTES>()?;
        Some(Self { session: Uuid::from_bytes(*id), n: u32::from_be_bytes(n.try_into().ok()?), mac })
    }
}

/// Issues and verifies refresh tokens with one key.
#[derive(Clone)]
pub struct RefreshTokens {
    key: Zeroizing<[u8; 32]>,
}

impl RefreshTokens {
    /// Derives the key from the key-encryption key.
    #[must_use]
    pub fn new(key: &KeyEncryptionKey) -> Self {
        Self { key: key.derive("refresh-token/v1") }
    }

    /// Generates the salt of a new session.
    #[must_use]
    pub fn salt() -> [u8; 16] {
        random_bytes()
    }

    /// Issues token number `n` of a session. Returns its text form.
    #[must_use]
    pub fn issue(&self, session: Uuid, salt: &[u8], n: u32) -> SecretString {
        authenticated_text::encode(&[session.as_bytes(), &n.to_be_bytes()], &self.mac(salt, n))
    }

    /// Returns whether this service issued the token for the session with this salt. Compares in constant time.
    #[must_use]
    pub fn is_genuine(&self, token: &RefreshToken, salt: &[u8]) -> bool {
        self.mac(salt, token.n).ct_eq(&token.mac).into()
    }

    fn mac(&self, salt: &[u8], n: u32) -> TokenMac {
        hmac_sha256(&self.key, &[salt, &n.to_be_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn tokens(byte: u8) -> RefreshTokens {
        RefreshTokens::new(&KeyEncryptionKey::for_test(byte))
    }

    #[test]
    fn a_token_is_genuine_only_for_its_session_number_and_key() {
        let session = Uuid::from_u128(7);
        let text = tokens(1).issue(session, b"salt", 3);
        let token = RefreshToken::parse(&text).unwrap();
        assert_eq!((token.session, token.n, text.expose_secret().len()), (session, 3, 70));
        assert!(tokens(1).is_genuine(&token, b"salt"));
        assert!(!tokens(1).is_genuine(&token, b"another salt"));
        assert!(!tokens(2).is_genuine(&token, b"salt"));
        assert!(!tokens(1).is_genuine(&RefreshToken { n: 4, ..token }, b"salt"));
    }
}
