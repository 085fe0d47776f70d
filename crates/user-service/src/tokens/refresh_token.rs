//! Refresh tokens: `base64url(sessionId ‖ n ‖ HMAC-SHA-256(K, salt ‖ n))`. The stored session contains the salt and the
//! current n, but no token.

use secrecy::SecretString;
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::authenticated_text::{self, TokenMac};
use crate::keys::{KeyEncryptionKey, SessionSalt, SessionSalts, hmac_sha256};

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
    salts: SessionSalts,
}

impl RefreshTokens {
    /// Derives the key from the key-encryption key.
    #[must_use]
    pub fn new(key: &KeyEncryptionKey, salts: SessionSalts) -> Self {
        Self { key: key.derive("refresh-token/v1"), salts }
    }

    /// Returns the salt of a new session.
    #[must_use]
    pub fn new_salt(&self, session: Uuid) -> SessionSalt {
        self.salts.new_salt(session)
    }

    /// Issues token number `n` of a session. Returns its text form.
    #[must_use]
    pub fn issue(&self, session: Uuid, salt: &[u8], n: u32) -> SecretString {
        authenticated_text::encode(&[session.as_bytes(), &n.to_be_bytes()], &self.mac(salt, n))
    }

    /// Returns whether this service issued the token for a session with a derived salt. If not, the session may have
    /// another salt: release 0.1.0 generates random ones.
    #[must_use]
    pub fn is_genuine_by_derived_salt(&self, token: &RefreshToken) -> bool {
        self.salts.derive(token.session).is_some_and(|salt| self.is_genuine(token, &salt))
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
        RefreshTokens::new(&KeyEncryptionKey::for_test(byte), SessionSalts::for_test([1; 32]))
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
    #[test]
    fn a_token_of_a_derived_salt_is_genuine_only_with_the_same_secret() {
        let (session, key) = (Uuid::from_u128(7), KeyEncryptionKey::for_test(1));
        let with = |salts: SessionSalts| RefreshTokens::new(&key, salts);
        let issuing = tokens(1);
        let token = RefreshToken::parse(&issuing.issue(session, &issuing.new_salt(session), 3)).unwrap();
        assert!(tokens(1).is_genuine_by_derived_salt(&token));
        assert!(!tokens(2).is_genuine_by_derived_salt(&token));
        assert!(!with(SessionSalts::for_test([2; 32])).is_genuine_by_derived_salt(&token));
        assert!(!with(SessionSalts::default()).is_genuine_by_derived_salt(&token));
        let of_another = RefreshToken { session: Uuid::from_u128(8), ..token };
        assert!(!tokens(1).is_genuine_by_derived_salt(&of_another));
    }
}
