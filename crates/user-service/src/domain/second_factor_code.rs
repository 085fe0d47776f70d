//! Codes that a user types as the second factor: a TOTP code or a recovery code. The length decides which of them it
//! is.

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::{allowed_characters::ascii_digit, recovery_code::RecoveryCode, totp::TotpCode};

/// Maximum length of the input in bytes. Longer input is refused before it is parsed.
const MAX_INPUT_BYTES: usize = 128;

/// A code that was parsed but not verified.
pub enum SecondFactorCode {
    Totp(TotpCode),
    Recovery(RecoveryCode),
}

impl SecondFactorCode {
    /// Parses a code as users type it: in groups, with dashes or spaces of any kind, with the decimal digits of any
    /// script. Returns `None` for a text that cannot be a code.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        if raw.len() > MAX_INPUT_BYTES {
            return None;
        }
        let mut plain = Zeroizing::new(String::with_capacity(4 * MAX_INPUT_BYTES));
        plain.extend(raw.nfkc().filter(|c| c.is_alphanumeric()).map(|c| ascii_digit(c).unwrap_or(c)));
        let totp = TotpCode::parse(&plain).map(Self::Totp);
        totp.or_else(|| RecoveryCode::parse(&plain).map(Self::Recovery))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_totp(text: &str, plain: &str) -> bool {
        matches!(
            (SecondFactorCode::parse(text), TotpCode::parse(plain)),
            (Some(SecondFactorCode::Totp(read)), Some(plain)) if read == plain
        )
    }

    fn is_recovery(text: &str, plain: &str) -> bool {
        matches!(
            (SecondFactorCode::parse(text), RecoveryCode::parse(plain)),
            (Some(SecondFactorCode::Recovery(read)), Some(plain)) if read.expose() == plain.expose()
        )
    }

    #[test]
    fn six_digits_are_a_totp_code_in_any_grouping_and_script() {
        for text in [
            "123456",
            "123 456",
            " 123-456\n",
            "１２３４５６",
            "１２３－４５６",
            "١٢٣٤٥٦",
            "۱۲۳ ۴۵۶",
            "१२३\u{2011}४५६",
            "𝟏𝟐𝟑\u{3000}𝟒𝟓𝟔",
            "123\u{2212}456",
            "1\u{A0}2\u{2009}3\u{202F}4\u{200B}5\u{2014}6",
        ] {
            assert!(is_totp(text, "123456"), "{text:?}");
        }
    }

    #[test]
    fn twenty_four_characters_are_a_recovery_code_in_any_grouping_and_script() {
        for text in [
            "000000-111111-222222-ABCDEF",
            "000000 111111 222222 abcdef",
            "000000111111222222abcdef",
            "000000–111111–222222–abcdef",
            "٠٠٠٠٠٠-١١١١١١-٢٢٢٢٢٢-ABCDEF",
            "００００００－１１１１１１－２２２２２２－ＡＢＣＤＥＦ",
        ] {
            assert!(is_recovery(text, "000000111111222222ABCDEF"), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn decimal_digits_of_every_script_make_a_code(text in "\\p{Nd}{6}") {
            prop_assert!(matches!(SecondFactorCode::parse(&text), Some(SecondFactorCode::Totp(_))), "{:?}", text);
        }

        #[test]
        fn spaces_and_dashes_of_every_kind_group_a_code(gap in "[\\p{Zs}\\p{Pd}]{0,6}", digits in "[0-9]{6}") {
            let grouped = format!("{gap}{}{gap}{}{gap}", &digits[..3], &digits[3..]);
            prop_assert!(is_totp(&grouped, &digits), "{:?}", grouped);
        }
    }

    #[test]
    fn any_other_text_is_not_a_code() {
        for text in ["", "-", "12345", "1234567", "abcdef", "000000-111111-222222-ABCDE", &"1".repeat(1000)] {
            assert!(SecondFactorCode::parse(text).is_none(), "{text:?}");
        }
    }
}
