//! One-time tokens: the random secrets in mailed links. They are stored and looked up by their digest.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use service_kit::random_bytes;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::redacted::redacted_debug;

/// The length of the text form in characters.
pub const TEXT_LENGTH: usize = 43;

/// A token of 256 random bits. The mail contains its text form (base64url without padding). Only its
/// [`OneTimeToken::digest`] is stored.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct OneTimeToken([u8; 32]);

impl OneTimeToken {
    /// Generates a token from the operating system's random source.
    #[must_use]
    pub fn generate() -> Self {
        Self(random_bytes())
    }

    /// Parses the text form. Returns `None` for any text that [`OneTimeToken::to_text`] does not return. Ignores white
    /// space around it, because users copy it from a mail.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() != TEXT_LENGTH {
            return None;
        }
        // The decoder requires a buffer of 33 bytes before it reads the last character.
        let mut decoded = Zeroizing::new([0; 33]);
        let length = URL_SAFE_NO_PAD.decode_slice(text, decoded.as_mut()).ok()?;
        decoded.get(..length)?.try_into().ok().map(Self)
    }

    /// Returns the text form, which is mailed.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        SecretString::from(URL_SAFE_NO_PAD.encode(self.0))
    }

    /// Returns the SHA-256 digest, which is stored. The token has 256 bits of entropy, so it needs neither a salt nor a
    /// slow hash.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

redacted_debug!(OneTimeToken);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn the_text_form_is_parsed_to_the_same_token() {
        let token = OneTimeToken::generate();
        let text = token.to_text();
        assert_eq!(text.expose_secret().len(), TEXT_LENGTH);
        for typed in [text.expose_secret().to_owned(), format!(" {}\r\n", text.expose_secret())] {
            assert_eq!(OneTimeToken::parse(&typed).unwrap().digest(), token.digest());
        }
    }

    #[test]
    fn every_token_is_different() {
        assert_ne!(OneTimeToken::generate().digest(), OneTimeToken::generate().digest());
    }

    #[test]
    fn the_digest_is_sha_256_of_the_bytes() {
        let zeros = OneTimeToken::parse(&"A".repeat(43)).unwrap();
        assert_eq!(hex::encode(zeros.digest()), "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925");
    }

    #[test]
    fn any_other_text_is_not_a_token() {
        let text = OneTimeToken::generate().to_text().expose_secret().to_owned();
        assert!(OneTimeToken::parse("").is_none());
        assert!(OneTimeToken::parse(&text[1..]).is_none());
        assert!(OneTimeToken::parse(&format!("{text}=")).is_none());
        assert!(OneTimeToken::parse(&format!("{}+", "A".repeat(42))).is_none());
        // The last character carries four bits. With other bits set, the text is not canonical.
        assert!(OneTimeToken::parse(&format!("{}B", "A".repeat(42))).is_none());
    }

    #[test]
    fn debug_output_does_not_contain_the_token() {
        assert_eq!(format!("{:?}", OneTimeToken::generate()), "OneTimeToken([REDACTED])");
    }

    proptest! {
        #[test]
        fn a_parsed_text_is_the_text_form_of_its_token(text in "[A-Za-z0-9_-]{43}|\\PC{43}") {
            if let Some(token) = OneTimeToken::parse(&text) {
                let written = token.to_text();
                prop_assert_eq!(written.expose_secret(), text);
            }
        }
    }
}
