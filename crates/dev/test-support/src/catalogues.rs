//! Checks the texts of a service in all languages: that the catalogues have the same keys and placeholders, that
//! nothing is left in English, and the conventions of each language.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use toml::{Table, Value};

/// The texts of one language by their keys. The forms of a plural are one text.
type Texts = BTreeMap<String, String>;

/// Checks every catalogue in a folder, which must be those of `languages`. A text of `punctuation` may be the same in all
/// languages.
///
/// # Panics
/// If a text breaks a convention.
pub fn assert_catalogues(folder: &Path, languages: &[&str], punctuation: &[&str]) {
    let catalogues = read_catalogues(folder);
    assert_eq!(catalogues.keys().map(String::as_str).collect::<Vec<_>>(), languages);
    let english = &catalogues["en"];
    for (language, texts) in &catalogues {
        assert_keys_and_placeholders(language, texts, english);
        if language != "en" {
            assert_nothing_is_left_in_english(language, texts, english, punctuation);
        }
        for text in texts.values() {
            match language.as_str() {
                "ar" => assert_arabic(text),
                "en" => assert_english(text),
                "es" => assert_spanish(text),
                "fr" => assert_french(text),
                "ja" => assert_japanese(text),
                _ => {}
            }
        }
    }
}

/// Returns the texts of every file by the tag of its language.
fn read_catalogues(folder: &Path) -> BTreeMap<String, Texts> {
    let files = fs::read_dir(folder).expect("the folder can be read").map(|entry| entry.expect("an entry").path());
    let read = |file: std::path::PathBuf| {
        let toml: Table = fs::read_to_string(&file).expect("the file can be read").parse().expect("valid TOML");
        let mut texts = Texts::new();
        for (name, value) in &toml {
            collect(name, value, &mut texts);
        }
        (file.file_stem().expect("a name").to_string_lossy().into_owned(), texts)
    };
    files.map(read).collect()
}

fn collect(key: &str, value: &Value, texts: &mut Texts) {
    match value {
        Value::Table(forms) if forms.contains_key("other") => {
            let forms: Vec<&str> = forms.values().filter_map(Value::as_str).collect();
            texts.insert(key.to_owned(), forms.join(" / "));
        }
        Value::Table(table) => {
            for (name, value) in table {
                collect(&format!("{key}.{name}"), value, texts);
            }
        }
        Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                collect(&format!("{key}.{at}"), value, texts);
            }
        }
        text => {
            texts.insert(key.to_owned(), text.as_str().expect("a text").to_owned());
        }
    }
}

fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

fn assert_keys_and_placeholders(language: &str, texts: &Texts, english: &Texts) {
    assert_eq!(texts.keys().collect::<Vec<_>>(), english.keys().collect::<Vec<_>>(), "{language}");
    for (key, text) in texts {
        assert_eq!(placeholders(text), placeholders(&english[key]), "{language}: {key}");
    }
}

fn assert_nothing_is_left_in_english(language: &str, texts: &Texts, english: &Texts, punctuation: &[&str]) {
    let english: BTreeSet<&str> = english.values().map(String::as_str).collect();
    for (key, text) in texts {
        // A text that is only a value is the same in every language.
        let is_value = text.starts_with('{') && text.find('}') == Some(text.len() - 1);
        let is_translated = !text.trim().is_empty() && !english.contains(text.as_str());
        assert!(is_translated || is_value || punctuation.contains(&text.as_str()), "{language}: {key}: {text:?}");
    }
}

fn assert_english(text: &str) {
    let lower = text.to_lowercase();
    for wrong in ["e-mail", "user name", "log in", "login", "somebody", "nobody", "whoever"] {
        assert!(!lower.contains(wrong), "{wrong}: {text}");
    }
}

/// Checks the no-break spaces and the typographic apostrophes.
fn assert_french(text: &str) {
    let chars: Vec<char> = text.chars().collect();
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| chars[at]);
        match c {
            ';' | '!' | '?' => assert_eq!(before, Some('\u{202F}'), "{text}"),
            ':' => assert_eq!(before, Some('\u{A0}'), "{text}"),
            '\'' | '"' => panic!("{text}"),
            _ => {}
        }
    }
}

/// Checks that questions and exclamations are opened, and that only the formal address (usted) is used.
fn assert_spanish(text: &str) {
    assert_eq!(text.matches('?').count(), text.matches('¿').count(), "{text}");
    assert_eq!(text.matches('!').count(), text.matches('¡').count(), "{text}");
    let words = text.to_lowercase();
    let mut words = words.split(|c: char| !c.is_alphabetic());
    assert!(!words.any(|word| ["tu", "tus", "ti", "tú"].contains(&word)), "{text}");
}

/// Checks that there is Japanese punctuation, and no space except before the title of a name.
fn assert_japanese(text: &str) {
    let text = text.replace(" / ", "").replace("} 様", "}様");
    assert!(!text.contains([' ', ',', '.', '?', '!', '(', ')', ';', ':']), "{text}");
}

/// Checks that there is Arabic punctuation, and that the digits are 0 to 9.
fn assert_arabic(text: &str) {
    assert!(!text.contains([',', ';', '?']), "{text}");
    assert!(!text.chars().any(|c| matches!(c, '\u{0660}'..='\u{0669}' | '\u{06F0}'..='\u{06F9}')), "{text}");
}

#[cfg(test)]
mod tests {
    use std::panic;

    use super::*;

    /// Returns whether these two catalogues are accepted.
    fn accepts(english: &str, language: &str, other: &str) -> bool {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("en.toml"), english).unwrap();
        fs::write(folder.path().join(format!("{language}.toml")), other).unwrap();
        let mut languages = ["en", language];
        languages.sort_unstable();
        panic::catch_unwind(|| assert_catalogues(folder.path(), &languages, &[": "])).is_ok()
    }

    #[test]
    fn a_text_that_breaks_a_convention_is_found() {
        let english = "[a]\nb = \"Hello {name}\"\nc = [\"{name}\", \": \"]\nd = { one = \"one\", other = \"{n}\" }";
        let other = |text: &str, plural: &str| {
            format!(
                "[a]\nb = \"{text}\"\nc = [\"{{name}}\", \": \"]\nd = {{ one = \"{plural}\", other = \"{{n}} x\" }}"
            )
        };
        assert!(accepts(english, "de", &other("Hallo {name}", "eins")));
        for (language, text) in [
            ("de", "Hello {name}"),
            ("de", "Hallo {to}"),
            ("de", ""),
            ("fr", "Bonjour {name}!"),
            ("fr", "L'{name}"),
            ("es", "Hola {name}!"),
            ("es", "Hola {name}, tu"),
            ("ja", "{name} さん"),
            ("ja", "{name}."),
            ("ar", "{name}?"),
            ("ar", "{name} \u{0660}"),
        ] {
            assert!(!accepts(english, language, &other(text, "eins")), "{language}: {text}");
        }
        assert!(!accepts(english, "de", "[a]\nb = \"Hallo {name}\""));
        assert!(!accepts("a = \"Log in\"", "de", "a = \"x\""));
    }
}
