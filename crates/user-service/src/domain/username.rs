//! Usernames: which are allowed, and which of them look the same.

use std::fmt;

use icu_casemap::CaseMapper;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_security::{GeneralSecurityProfile, RestrictionLevel, RestrictionLevelDetection, skeleton};

use super::invalid_value::Invalid;

/// Minimum length in code points, in NFC.
pub const MIN_CHARS: usize = 3;
/// Maximum length in code points, in NFC.
pub const MAX_CHARS: usize = 32;
/// Maximum length of the input in bytes. Longer input is refused before it is normalised.
const MAX_INPUT_BYTES: usize = 1024;

/// A name that a user chose and that other users see.
///
/// It consists of letters (with the combining marks of their script) and digits of any script that UTS 39 allows in
/// identifiers, and of `. _ -`. All letters belong to one script, or to one of the combinations with Latin that UTS 39
/// calls highly restrictive (Japanese, Chinese, Korean).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Username {
    name: String,
    key: String,
}

impl Username {
    /// Parses a name and converts it to NFC. Ignores white space around it.
    ///
    /// # Errors
    /// Returns an error with the code `too-short`, `too-long`, `invalid-character` or `mixed-scripts`.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        if raw.len() > MAX_INPUT_BYTES {
            return Err(too_long());
        }
        let name: String = raw.trim().nfc().collect();
        match name.chars().count() {
            0..MIN_CHARS => {
                return Err(Invalid::new("too-short", format!("A username has at least {MIN_CHARS} characters.")));
            }
            MIN_CHARS..=MAX_CHARS => {}
            _ => return Err(too_long()),
        }
        if !is_well_formed(&name) {
            return Err(Invalid::new(
                "invalid-character",
                "A username consists of letters, digits, dots, underscores and hyphens.",
            ));
        }
        if !name.check_restriction_level(RestrictionLevel::HighlyRestrictive) {
            return Err(Invalid::new("mixed-scripts", "A username does not mix letters of different scripts."));
        }
        let key = key(&name);
        Ok(Self { name, key })
    }

    /// Returns a variant of the name with a number after it, such as `ada-4821`. Shortens a long name to make room.
    ///
    /// # Errors
    /// Returns the errors of [`parse`](Self::parse). No combination of a name and a number is known to cause one.
    pub fn with_number(&self, number: u32) -> Result<Self, Invalid> {
        Self::with_suffix(&self.name, number)
    }

    /// Does the same for a text that may be too short to be a name.
    ///
    /// # Errors
    /// Returns the errors of [`parse`](Self::parse).
    pub fn with_suffix(text: &str, number: u32) -> Result<Self, Invalid> {
        let suffix = format!("-{number}");
        let room = MAX_CHARS.saturating_sub(suffix.len());
        let beginning: String = text.chars().take(room).collect();
        Self::parse(&format!("{beginning}{suffix}"))
    }

    /// Returns the characters of a text that a name may have, without punctuation at its ends, and without letters that
    /// are not ASCII if they would mix scripts. Returns `None` if nothing is left. The result may be too short.
    #[must_use]
    pub fn valid_part(text: &str) -> Option<String> {
        let mut after_letter = false;
        let allowed = text.nfc().filter(|c| {
            let allowed = is_allowed(*c, after_letter);
            if allowed {
                after_letter = !matches!(c, '.' | '_' | '-');
            }
            allowed
        });
        let shortened = |text: &str| {
            let text: String = text.trim_matches(['.', '_', '-']).chars().take(MAX_CHARS).collect();
            text.trim_end_matches(['.', '_', '-']).to_owned()
        };
        let mut kept = shortened(&allowed.collect::<String>());
        if !kept.check_restriction_level(RestrictionLevel::HighlyRestrictive) {
            kept = shortened(&kept.chars().filter(char::is_ascii).collect::<String>());
        }
        (!kept.is_empty()).then_some(kept)
    }

    /// Returns the name as it is shown, in NFC.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Returns the key that decides uniqueness: names that differ only in case, in compatibility forms or in letters
    /// that look alike have the same key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Computes the key: NFKC, case folding, then the confusables skeleton of UTS 39. Case folding can decompose
/// characters, so the text is normalised again after it.
fn key(name: &str) -> String {
    let compatible: String = name.nfkc().collect();
    let folded: String = CaseMapper::new().fold_string(&compatible).nfkc().collect();
    skeleton(&folded).collect()
}

/// Returns the prefix that the keys of all names beginning with this text have in common. Letters that look alike are
/// not distinguished, so a few other keys may begin with it too.
pub(super) fn key_prefix(typed: &str) -> String {
    key(&typed.nfc().collect::<String>())
}

/// Returns whether all characters are allowed where they are. A combining mark belongs to the letter before it, so it
/// can neither begin a name nor follow punctuation.
fn is_well_formed(name: &str) -> bool {
    let mut after_letter = false;
    name.chars().all(|c| {
        let allowed = is_allowed(c, after_letter);
        after_letter = !matches!(c, '.' | '_' | '-');
        allowed
    })
}

fn is_allowed(c: char, after_letter: bool) -> bool {
    match c {
        '.' | '_' | '-' => true,
        _ if is_combining_mark(c) => after_letter && c.identifier_allowed(),
        _ => c.is_alphanumeric() && c.identifier_allowed(),
    }
}

fn too_long() -> Invalid {
    Invalid::new("too-long", format!("A username has at most {MAX_CHARS} characters."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::invalid_value::assert_refused;

    fn parsed(raw: &str) -> Username {
        Username::parse(raw).unwrap_or_else(|invalid| panic!("{raw:?}: {invalid}"))
    }

    #[test]
    fn a_name_may_contain_letters_digits_and_three_punctuation_marks() {
        for raw in [
            "ada",
            "Ada_Lovelace-1815.x",
            "...",
            "-a-",
            "josé",
            "Ренат",
            "山田太郎",
            "やまだtaro",
            "नमस्ते",
            "مريم",
            "123",
        ] {
            assert_eq!(parsed(raw).as_str(), raw);
        }
    }

    #[test]
    fn other_characters_are_refused() {
        assert_refused(
            Username::parse,
            "invalid-character",
            [
                "a b c",
                "a@b.c",
                "ada!",
                "a\nda",
                "ada\u{0}",
                "ada\u{200B}",
                "ada\u{202E}",
                "a/b",
                "😀😀😀",
                "ａｄａ",
                "a²bc",
                "\u{301}ada",
                "ada-\u{301}",
                "ada\u{2019}s",
                "a da",
                "<b>x",
            ],
        );
    }

    #[test]
    fn white_space_around_a_name_is_ignored() {
        for raw in [" ada", "ada ", "\tada\r\n", "\u{3000}ada\u{A0}"] {
            assert_eq!(parsed(raw), parsed("ada"), "{raw:?}");
        }
        assert_refused(Username::parse, "too-short", [" a ", "   "]);
    }

    #[test]
    fn the_length_is_counted_in_characters() {
        assert_refused(Username::parse, "too-short", ["", "ab"]);
        assert_eq!(parsed(&"ж".repeat(32)).as_str().chars().count(), 32);
        assert_refused(Username::parse, "too-long", ["ж".repeat(33).as_str(), "a".repeat(1_000_000).as_str()]);
        // Three letters that are each typed as a letter and an accent are three characters.
        assert_eq!(parsed("e\u{301}e\u{301}e\u{301}").as_str(), "ééé");
    }

    #[test]
    fn names_that_differ_in_case_are_the_same() {
        assert_eq!(parsed("Alice").key(), parsed("aLICE").key());
        assert_eq!(parsed("STRASSE").key(), parsed("straße").key());
        assert_eq!(parsed("ΟΔΟΣ").key(), parsed("οδος").key());
        assert_ne!(parsed("alice").key(), parsed("alicf").key());
    }

    #[test]
    fn names_that_look_alike_are_the_same() {
        // All letters are Cyrillic, with a palochka instead of the l.
        assert_eq!(parsed("раура\u{4CF}").key(), parsed("paypal").key());
        assert_eq!(parsed("modern").key(), parsed("rnodem").key());
    }

    #[test]
    fn a_name_of_mixed_alphabets_is_refused() {
        // All letters are Cyrillic except the Latin l.
        assert_refused(Username::parse, "mixed-scripts", ["раураl", "ada\u{3B1}"]);
    }

    #[test]
    fn a_variant_ends_in_the_number_and_has_at_most_the_maximum_length() {
        assert_eq!(parsed("ada").with_number(4821).unwrap().as_str(), "ada-4821");
        let long = parsed(&"ж".repeat(32)).with_number(123_456_789).unwrap();
        assert_eq!(long.as_str(), format!("{}-123456789", "ж".repeat(22)));
    }

    proptest! {
        #[test]
        fn every_name_has_a_variant(raw in "[\\p{L}\\p{M}\\p{Nd}._-]{3,40}", number in 1_000_u32..) {
            if let Ok(name) = Username::parse(&raw) {
                let variant = name.with_number(number);
                prop_assert!(variant.is_ok_and(|variant| variant.key() != name.key()), "{}", name);
            }
        }

        #[test]
        fn parsing_again_changes_nothing(raw in "[\\p{L}\\p{M}\\p{Nd}._-]{3,12}|[а-яА-Яё]{3,8}|[a-zA-ZÀ-ž0-9._\u{300}-\u{308}-]{3,16}") {
            if let Ok(name) = Username::parse(&raw) {
                prop_assert_eq!(&parsed(name.as_str()), &name);
                prop_assert!(!name.key().is_empty());
                prop_assert!(!name.key().contains('@'));
            }
        }

        #[test]
        fn case_never_makes_another_name(raw in "[a-zA-ZÀ-ÖØ-öø-žΑ-Ωα-ωА-Яа-я]{3,12}") {
            if let (Ok(typed), Ok(upper)) = (Username::parse(&raw), Username::parse(&raw.to_uppercase())) {
                prop_assert_eq!(typed.key(), upper.key());
            }
        }
    }
}
