//! The cookies of page sessions: `base64url(session id ‖ 32 random bytes)`. The stored session contains a hash of the
//! random bytes, and no cookie.

use secrecy::SecretString;
use service_kit::random_bytes;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::authenticated_text;

/// The stored hash of a cookie.
pub type CookieHash = [u8; 32];

/// The secret of a page session, which only its browser has. It has no `Debug`.
#[derive(Clone)]
pub struct SessionCookie {
    pub session: Uuid,
    secret: Zeroizing<[u8; 32]>,
}

impl SessionCookie {
    /// Generates a cookie for a session.
    #[must_use]
    pub fn generate(session: Uuid) -> Self {
        Self { session, secret: Zeroizing::new(random_bytes()) }
    }

    /// Parses the text form. Returns `None` for any other text.
    #[must_use]
    pub fn parse(text: &SecretString) -> Option<Self> {
        let (id, secret) = authenticated_text::decode::<16>(text)?;
        Some(Self { session: Uuid::from_bytes(id), secret: Zeroizing::new(secret) })
    }

    /// Returns the value of the cookie.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        authenticated_text::encode(&[self.session.as_bytes()], &self.secret)
    }

    /// Returns the hash that is stored. The secret is random, so a fast hash without a salt is enough.
    #[must_use]
    pub fn hash(&self) -> CookieHash {
        Sha256::digest(self.secret.as_slice()).into()
    }

    /// Returns whether the cookie has this stored hash. Compares in constant time.
    #[must_use]
    pub fn matches(&self, stored: &[u8]) -> bool {
        self.hash().ct_eq(stored).into()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_cookie_matches_only_the_hash_of_its_own_secret() {
        let session = Uuid::from_u128(7);
        let (cookie, another) = (SessionCookie::generate(session), SessionCookie::generate(session));
        let parsed = SessionCookie::parse(&cookie.to_text()).unwrap();
        assert_eq!((parsed.session, parsed.to_text().expose_secret().len()), (session, 64));
        assert!(parsed.matches(&cookie.hash()));
        assert!(!parsed.matches(&another.hash()));
        assert!(!parsed.matches(&[]));
    }

    #[test]
    fn any_other_text_is_no_cookie() {
        for text in ["", "cookie", &"A".repeat(63), &"A".repeat(65), &"!".repeat(64)] {
            assert!(SessionCookie::parse(&text.to_owned().into()).is_none(), "{text}");
        }
    }
}
