//! Recovery codes: a user who has lost the authenticator can sign in once with each of them.

use secrecy::SecretString;
use service_kit::random_bytes;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::redacted::redacted_debug;

/// The number of codes that a user gets.
pub const COUNT: usize = 10;
/// The length of a code in bytes: 120 random bits. A secret with at least 112 bits may be stored with a fast hash
/// (OWASP ASVS 5.0, 6.5.2).
const BYTES: usize = 15;
/// The number of characters of a code, five bits each.
const CHARACTERS: usize = BYTES * 8 / 5;
/// The number of characters in a displayed group.
const GROUP: usize = 6;
/// Crockford's Base32: the digits, and the letters except I, L, O (which are read as 1, 1 and 0) and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A recovery code of 120 random bits. It is wiped when dropped, and never printed.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct RecoveryCode([u8; BYTES]);

impl RecoveryCode {
    /// Generates a code from the operating system's random source.
    #[must_use]
    pub fn generate() -> Self {
        Self(random_bytes())
    }

    /// Parses 24 characters without dashes. Returns `None` for any other text. Ignores case, and reads letters that
    /// look like digits as these digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != CHARACTERS {
            return None;
        }
        let mut bits = 0_u128;
        for character in text.bytes() {
            let plain = match character.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let value = ALPHABET.iter().position(|known| *known == plain)?;
            bits = bits << 5 | u128::try_from(value).ok()?;
        }
        bits.to_be_bytes().last_chunk().copied().map(Self)
    }

    /// Returns the displayed form `XXXXXX-XXXXXX-XXXXXX-XXXXXX`, which the user sees once.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        let bits = self.0.iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
        let mut text = String::with_capacity(CHARACTERS + CHARACTERS / GROUP);
        for position in 0..CHARACTERS {
            if position > 0 && position % GROUP == 0 {
                text.push('-');
            }
            let five = (bits >> (5 * (CHARACTERS - 1 - position))) & 31;
            text.push(char::from(ALPHABET[usize::try_from(five).unwrap_or_default()]));
        }
        text.into()
    }

    /// Returns the bytes, which are hashed before they are stored.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

redacted_debug!(RecoveryCode);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    fn shown(code: &RecoveryCode) -> String {
        code.to_text().expose_secret().to_owned()
    }

    #[test]
    fn a_code_is_four_groups_of_six() {
        assert_eq!(shown(&RecoveryCode([0; 15])), "000000-000000-000000-000000");
        assert_eq!(shown(&RecoveryCode([255; 15])), "ZZZZZZ-ZZZZZZ-ZZZZZZ-ZZZZZZ");
        let counted = RecoveryCode([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x04, 0x23]);
        assert_eq!(shown(&counted), "000000-000000-000000-000113");
    }

    #[test]
    fn case_and_letters_that_look_like_digits_do_not_matter() {
        let code = RecoveryCode::parse("01ABCDEFGHJKMNPQRSTVWXYZ").unwrap();
        for text in ["01abcdefghjkmnpqrstvwxyz", "OIABCDEFGHJKMNPQRSTVWXYZ", "olabcdefghjkmnpqrstvwxyz"] {
            assert_eq!(RecoveryCode::parse(text).unwrap().expose(), code.expose(), "{text}");
        }
    }

    #[test]
    fn any_other_text_is_not_a_code() {
        for text in [
            "",
            "01ABCDEFGHJKMNPQRSTVWXY",
            "01ABCDEFGHJKMNPQRSTVWXYZ0",
            "01ABCDEFGHJKMNPQRSTVWXYU",
            "01ABCDEFGHJKMNPQRSTVWX-Z",
            "ÄÄÄÄÄÄÄÄÄÄÄÄ",
        ] {
            assert!(RecoveryCode::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn every_code_is_different_and_never_printed() {
        assert_ne!(RecoveryCode::generate().expose(), RecoveryCode::generate().expose());
        assert_eq!(format!("{:?}", RecoveryCode([7; 15])), "RecoveryCode([REDACTED])");
    }

    proptest! {
        #[test]
        fn the_displayed_form_is_parsed_to_the_same_code(bytes: [u8; 15]) {
            let text = shown(&RecoveryCode(bytes)).replace('-', "");
            let read = RecoveryCode::parse(&text).unwrap();
            prop_assert_eq!(read.expose(), bytes);
        }
    }
}
