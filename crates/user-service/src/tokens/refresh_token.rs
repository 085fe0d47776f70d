//! Refresh tokens: `base64url(sessionId ‖ n ‖ HMAC-SHA-256(K, salt ‖ n))`. The stored session contains the salt and the
//! current n, but no token.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::keys::{KeyEncryptionKey, hmac_sha256};

const ID_BYTES: usize = 16;
const NUMBER_BYTES: usize = 4;
const MAC_BYTES: usize = 32;
/// The length of the text form: 52 bytes in base64url.
const TEXT_LENGTH: usize = 70;

/// A token that was parsed but not verified.
pub struct RefreshToken {
    pub session: Uuid,
    pub n: u32,
    mac: [u8; MAC_BYTES],
}

impl RefreshToken {
    /// Parses the text form. Returns `None` for any other text.
    #[must_use]
    pub fn parse(text: &SecretString) -> Option<Self> {
        let text = text.expose_secret();
        if text.len() != TEXT_LENGTH {
            return None;
        }
        let bytes = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?);
        let (id, rest) = bytes.split_first_chunk::<ID_BYTES>()?;
        let (n, mac) = rest.split_first_chunk::<NUMBER_BYTES>()?;
        Some(Self { session: Uuid::from_bytes(*id), n: u32::from_be_bytes(*n), mac: mac.try_into().ok()? })
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
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).expect("the operating system's random source works once it has been seeded");
        salt
    }

    /// Issues token number `n` of a session. Returns its text form.
    #[must_use]
    pub fn issue(&self, session: Uuid, salt: &[u8], n: u32) -> SecretString {
        let mac = self.mac(salt, n);
        let mut bytes = Zeroizing::new(Vec::with_capacity(ID_BYTES + NUMBER_BYTES + MAC_BYTES));
        bytes.extend_from_slice(session.as_bytes());
        bytes.extend_from_slice(&n.to_be_bytes());
        bytes.extend_from_slice(&mac);
        BASE64_URL_SAFE_NO_PAD.encode(bytes.as_slice()).into()
    }

    /// Returns whether this service issued the token for the session with this salt. Compares in constant time.
    #[must_use]
    pub fn is_genuine(&self, token: &RefreshToken, salt: &[u8]) -> bool {
        self.mac(salt, token.n).ct_eq(&token.mac).into()
    }

    fn mac(&self, salt: &[u8], n: u32) -> [u8; MAC_BYTES] {
        hmac_sha256(&self.key, &[salt, &n.to_be_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(byte: u8) -> RefreshTokens {
        use base64::prelude::BASE64_STANDARD;
        let key = KeyEncryptionKey::from_base64(&BASE64_STANDARD.encode([byte; 32]).into()).unwrap();
        RefreshTokens::new(&key)
    }

    #[test]
    fn a_token_is_genuine_only_for_its_session_number_and_key() {
        let session = Uuid::from_u128(7);
        let text = tokens(1).issue(session, b"salt", 3);
        let token = RefreshToken::parse(&text).unwrap();
        assert_eq!((token.session, token.n), (session, 3));
        assert!(tokens(1).is_genuine(&token, b"salt"));
        assert!(!tokens(1).is_genuine(&token, b"another salt"));
        assert!(!tokens(2).is_genuine(&token, b"salt"));
        assert!(!tokens(1).is_genuine(&RefreshToken { n: 4, ..token }, b"salt"));
    }

    #[test]
    fn any_other_text_is_not_a_token() {
        let too_long = "A".repeat(TEXT_LENGTH + 1);
        let not_base64 = "!".repeat(TEXT_LENGTH);
        for text in ["", "token", "ä", &too_long, &not_base64] {
            assert!(RefreshToken::parse(&text.to_owned().into()).is_none());
        }
    }
}
