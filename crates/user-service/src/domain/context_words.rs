//! Context-specific words (NIST SP 800-63B): the words of the user and of the service, and what remains of a password
//! without them.

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// Minimum length of a word in characters. A shorter word would occur in too many passwords.
const MIN_CHARS: usize = 3;
/// Minimum length of a word that is not ASCII: in other scripts, two characters can be a word or a name.
const MIN_CHARS_NON_ASCII: usize = 2;

/// Words in a folded form, in which `L0v3lace`, `lovelace` and `Lóvelace` are the same.
#[derive(Debug, Clone, Default)]
pub struct ContextWords(Vec<Vec<char>>);

impl ContextWords {
    /// Collects the words of names, addresses and hosts. Splits them at every character that is neither a letter nor a
    /// digit, and again where the case or the kind of character changes (`AdaLovelace1815`).
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut words = Vec::new();
        for text in texts {
            let text: String = text.nfkc().collect();
            for piece in text.split(|c: char| !c.is_alphanumeric()) {
                words.push(piece.to_owned());
                words.extend(camel_case_parts(piece));
            }
        }
        words.retain(|word| is_long_enough(word));
        let mut folded: Vec<Vec<char>> = words.iter().map(|word| word.chars().map(fold).collect()).collect();
        let reversed: Vec<Vec<char>> = folded.iter().map(|word| word.iter().rev().copied().collect()).collect();
        folded.extend(reversed);
        // The longest matching word is removed, so the longest come first.
        folded.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        folded.dedup();
        Self(folded)
    }

    /// Returns the words of both sets.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all: Vec<_> = self.0.iter().chain(&other.0).cloned().collect();
        all.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        Self(all)
    }

    /// Returns `password` without these words and without punctuation and white space. Finds the words forwards,
    /// backwards, in any case and with digits for letters. Returns `None` if the password contains none of them.
    pub(super) fn remove_from(&self, password: &str) -> Option<Zeroizing<String>> {
        let original: Zeroizing<Vec<char>> = Zeroizing::new(password.chars().collect());
        let folded: Zeroizing<Vec<char>> = Zeroizing::new(original.iter().copied().map(fold).collect());
        let mut rest = Zeroizing::new(String::with_capacity(password.len()));
        let mut at = 0;
        while at < folded.len() {
            match self.0.iter().find(|word| folded[at..].starts_with(word)) {
                Some(word) => at += word.len(),
                None => {
                    rest.push(original[at]);
                    at += 1;
                }
            }
        }
        if rest.len() == password.len() {
            return None;
        }
        rest.retain(|c| !c.is_ascii_punctuation() && !c.is_whitespace());
        Some(rest)
    }
}

fn is_long_enough(word: &str) -> bool {
    word.chars().count() >= if word.is_ascii() { MIN_CHARS } else { MIN_CHARS_NON_ASCII }
}

/// Splits a word such as `AdaLovelace1815` where the case or the kind of character changes.
fn camel_case_parts(word: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut before: Option<char> = None;
    for c in word.chars() {
        let starts = before.is_none_or(|b| (b.is_lowercase() && c.is_uppercase()) || b.is_numeric() != c.is_numeric());
        match parts.last_mut() {
            Some(part) if !starts => part.push(c),
            _ => parts.push(c.to_string()),
        }
        before = Some(c);
    }
    parts
}

/// Folds one character into one character, so that positions in both forms are the same.
fn fold(c: char) -> char {
    let base = Some(c).into_iter().nfd().next().filter(char::is_ascii_alphabetic).unwrap_or(c);
    let lower = base.to_lowercase().next().unwrap_or(base);
    match lower {
        '4' | '@' => 'a',
        '8' => 'b',
        '(' => 'c',
        '3' => 'e',
        '6' | '9' => 'g',
        '1' | '!' | '|' | 'i' => 'l',
        '0' => 'o',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '2' => 'z',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(password: &str) -> Option<String> {
        let words =
            ContextWords::from_texts(["ada_1815", "ada.lovelace@mail.example.org", "Ada Lovelace-King", "田中"]);
        words.remove_from(password).map(|rest| rest.to_string())
    }

    #[test]
    fn context_words_are_found_in_every_spelling() {
        for (password, left) in [
            ("lovelace", ""),
            ("AdaLovelace1980", "1980"),
            ("L0v3lac3!", ""),
            ("Lóvelàce 7", "7"),
            ("ecalevol", ""),
            ("ada.lovelace@mail.example.org", ""),
            ("田中太郎", "太郎"),
            ("king1815", ""),
            ("canada goose", "cangoose"),
        ] {
            assert_eq!(rest(password).as_deref(), Some(left), "{password}");
        }
    }

    #[test]
    fn other_words_are_not_removed() {
        for password in ["correct horse battery", "lovelac", "ad", "", "18 15"] {
            assert_eq!(rest(password), None, "{password}");
        }
        assert!(ContextWords::default().remove_from("lovelace").is_none());
        assert!(ContextWords::from_texts(["a.b@c.de", "", "--"]).remove_from("a.b@c.de").is_none());
    }

    #[test]
    fn the_parts_of_a_name_count_too() {
        let words = ContextWords::from_texts(["AdaLovelace1815"]);
        for part in ["adalovelace1815", "ada", "Lovelace", "1815"] {
            assert_eq!(words.remove_from(part).unwrap().as_str(), "", "{part}");
        }
    }
}
