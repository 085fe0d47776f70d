//! What somebody types as the second factor: a code of the authenticator, or a recovery
//! code. The length tells which.

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::{RecoveryCode, TotpCode};

/// Longer input is refused unread.
const MAX_INPUT_BYTES: usize = 128;

/// A code that was read; whether it is right is another question.
pub enum SecondFactorCode {
    Totp(TotpCode),
    Recovery(RecoveryCode),
}

impl SecondFactorCode {
    /// Reads it as people type it: in groups, with dashes or spaces, in full-width
    /// digits. `None` for what cannot be a code.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        if raw.len() > MAX_INPUT_BYTES {
            return None;
        }
        let mut plain = Zeroizing::new(String::with_capacity(4 * MAX_INPUT_BYTES));
        plain.extend(raw.nfkc().filter(|c| c.is_alphanumeric()));
        let totp = TotpCode::parse(&plain).map(Self::Totp);
        totp.or_else(|| RecoveryCode::parse(&plain).map(Self::Recovery))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_are_a_code_of_the_authenticator_in_any_grouping() {
        for text in ["123456", "123 456", " 123-456\n", "１２３４５６"] {
            assert!(matches!(SecondFactorCode::parse(text), Some(SecondFactorCode::Totp(_))), "{text:?}");
        }
    }

    #[test]
    fn twenty_four_characters_are_a_recovery_code_in_any_grouping() {
        for text in [
            "000000-111111-222222-ABCDEF",
            "000000 111111 222222 abcdef",
            "000000111111222222abcdef",
            "000000–111111–222222–abcdef",
        ] {
            assert!(matches!(SecondFactorCode::parse(text), Some(SecondFactorCode::Recovery(_))), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_no_code() {
        for text in ["", "-", "12345", "1234567", "abcdef", "000000-111111-222222-ABCDE", &"1".repeat(1000)] {
            assert!(SecondFactorCode::parse(text).is_none(), "{text:?}");
        }
    }
}
