//! Locales: the language and region in which a user wants to be addressed.

use super::invalid_value::Invalid;

/// Maximum length in bytes. RFC 5646, section 4.4.1, requires every system to support it.
pub const MAX_BYTES: usize = 35;

/// A well-formed BCP 47 language tag (in the form that UTS 35 calls a Unicode locale identifier) in canonical letter
/// case and order: `de-CH`, `zh-Hant-TW`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locale(String);

impl Locale {
    /// Parses a tag in any letter case. Ignores white space around it.
    ///
    /// # Errors
    /// Returns an error with the code `too-long` or `not-a-language-tag`.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        let raw = raw.trim();
        if raw.len() > MAX_BYTES {
            return Err(Invalid::new("too-long", format!("A language tag has at most {MAX_BYTES} characters.")));
        }
        icu_locale_core::Locale::normalize(raw).map(|tag| Self(tag.into_owned())).map_err(|_| {
            Invalid::new("not-a-language-tag", "This is not a language tag such as \"en\" or \"de-CH\" (BCP 47).")
        })
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::invalid_value::assert_refused;

    #[test]
    fn tags_are_converted_to_canonical_form() {
        for (raw, canonical) in [
            ("en", "en"),
            ("DE-ch", "de-CH"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("sl-rozaj-biske", "sl-biske-rozaj"),
            ("es-419", "es-419"),
            (" de-CH\n", "de-CH"),
        ] {
            assert_eq!(Locale::parse(raw).as_ref().map(Locale::as_str), Ok(canonical), "{raw}");
        }
    }

    #[test]
    fn an_invalid_tag_is_refused() {
        assert_refused(
            Locale::parse,
            "not-a-language-tag",
            ["", "e", "english language", "de-", "-de", "de_AT", "de--CH", "12", "de\n-CH", "日本語", "../../etc"],
        );
        assert_refused(Locale::parse, "too-long", ["de-u-ca-gregory-".repeat(9).as_str()]);
    }

    proptest! {
        #[test]
        fn parsing_again_changes_nothing(raw in "[a-zA-Z]{2,3}(-[a-zA-Z0-9]{1,8}){0,4}|\\PC{0,12}") {
            if let Ok(locale) = Locale::parse(&raw) {
                prop_assert!(locale.as_str().len() <= MAX_BYTES);
                prop_assert_eq!(&Locale::parse(locale.as_str()).unwrap(), &locale);
            }
        }
    }
}
