//! The secrets with which clients authenticate.

use secrecy::{ExposeSecret, SecretString};

use crate::domain::{
    one_time_token::{OneTimeToken, TEXT_LENGTH},
    redacted::redacted_debug,
};

/// The beginning of every secret, by which scanners of source code and logs can find one: "user-service client secret".
const PREFIX: &str = "uscs_";

/// A secret of 256 random bits. Only its [`ClientSecret::digest`] is stored.
pub struct ClientSecret(OneTimeToken);

impl ClientSecret {
    /// Generates a secret from the operating system's random source.
    #[must_use]
    pub fn generate() -> Self {
        Self(OneTimeToken::generate())
    }

    /// Parses the text form. Returns `None` for any text that [`ClientSecret::to_text`] does not return.
    #[must_use]
    pub fn parse(text: &SecretString) -> Option<Self> {
        let token = text.expose_secret().strip_prefix(PREFIX)?;
        Some(token).filter(|token| token.len() == TEXT_LENGTH).and_then(OneTimeToken::parse).map(Self)
    }

    /// Returns the text form, which is shown once.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        format!("{PREFIX}{}", self.0.to_text().expose_secret()).into()
    }

    /// Returns the SHA-256 digest, which is stored. The secret has 256 bits of entropy, so it needs neither a salt nor a
    /// slow hash.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.0.digest()
    }
}

redacted_debug!(ClientSecret);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_parsed_to_the_same_secret() {
        let secret = ClientSecret::generate();
        let text = secret.to_text();
        assert_eq!(text.expose_secret().len(), 48);
        // No character is encoded in a form or in a header.
        assert!(text.expose_secret().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert_eq!(ClientSecret::parse(&text).unwrap().digest(), secret.digest());
        assert_ne!(ClientSecret::generate().digest(), secret.digest());
    }

    #[test]
    fn any_other_text_is_not_a_secret() {
        let text = ClientSecret::generate().to_text().expose_secret().to_owned();
        for other in ["", "uscs_", &text[5..], &text[..47], &format!("{text} "), &text.replace("uscs_", "uscs_ ")] {
            assert!(ClientSecret::parse(&other.to_owned().into()).is_none(), "{other}");
        }
    }

    #[test]
    fn debug_output_does_not_contain_the_secret() {
        assert_eq!(format!("{:?}", ClientSecret::generate()), "ClientSecret([REDACTED])");
    }
}
