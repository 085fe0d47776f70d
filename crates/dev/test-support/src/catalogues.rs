//! Checks the texts of a service in all languages: that the catalogues have the same keys and placeholders, that
//! nothing is left in English, and the conventions of each language.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use toml::{Table, Value};

/// The languages of mails and pages.
pub const LANGUAGES: [&str; 10] = ["ar", "de", "en", "es", "fr", "it", "ja", "nl", "pl", "pt"];

/// Texts that are the same in English: the words are usual in the language.
const LOANWORDS: &[(&str, &str)] =
    &[("de", "Code"), ("es", "No"), ("fr", "Code"), ("it", "No"), ("it", "Password"), ("nl", "Code")];

/// The placeholders of dates.
const DATES: [&str; 3] = ["{event_time}", "{link_expires_at}", "{locked_until}"];

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
                "it" => assert_italian(text),
                "ja" => assert_japanese(text),
                "nl" => assert_dutch(text),
                "pl" => assert_polish(text),
                "pt" => assert_portuguese(text),
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
        let is_loanword = LOANWORDS.contains(&(language, text));
        let is_translated = !text.trim().is_empty() && (is_loanword || !english.contains(text.as_str()));
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
    assert_no_word(text, &["tu", "tus", "ti", "tú"]);
}

/// Checks typographic quotation marks and apostrophes, the accents that are often written wrongly, and that only the formal
/// address (lei) is used. A date has no article, which would depend on the day: il 7, l’8.
fn assert_italian(text: &str) {
    assert_no_straight_quotes(text);
    assert_no_word(text, &["tu", "te", "ti", "tuo", "tua", "tuoi", "tue", "pò", "nè", "sè"]);
    for wrong in ["E’ ", "chè", "qual’è"] {
        assert!(!text.contains(wrong), "{wrong}: {text}");
    }
    for date in DATES {
        for article in ["il ", "al ", "dal ", "del ", "l’"] {
            assert!(!text.contains(&format!("{article}{date}")), "{text}");
        }
    }
}

/// Checks that the text is Brazilian and addresses the reader by você only, and that the name of the product, whose gender
/// is unknown, has no article.
fn assert_portuguese(text: &str) {
    assert_no_straight_quotes(text);
    assert_no_word(text, &["tu", "te", "ti", "teu", "tua", "teus", "tuas", "contigo", "vós", "vosso", "vossa"]);
    assert_no_word(text, &["email", "emails", "utilizador", "passe", "registo", "contacto", "activar", "ecrã"]);
    for article in ["no", "na", "do", "da", "ao", "à", "pelo", "pela"] {
        assert!(!format!(" {text}").contains(&format!(" {article} {{product}}")), "{text}");
    }
}

/// Checks that only the formal address (u) is used, and that the Dutch word for email has its hyphen.
fn assert_dutch(text: &str) {
    assert_no_straight_quotes(text);
    assert_no_word(text, &["je", "jij", "jou", "jouw", "jezelf", "jullie", "email", "emails", "emailadres"]);
}

/// Checks that the text is impersonal, without a form that has a gender; that no word has lost its diacritics; and that the
/// name of the product, which is not inflected, follows an inflected noun.
fn assert_polish(text: &str) {
    assert_no_straight_quotes(text);
    assert_eq!(text.matches('„').count(), text.matches('”').count(), "{text}");
    assert_no_word(text, &["ty", "ci", "cię", "ciebie", "tobie", "tobą", "pan", "pani", "pana", "państwo", "państwa"]);
    assert_no_word(text, &["haslo", "hasla", "jesli", "wiadomosc", "uzytkownika", "urzadzenia", "prosze", "mozna"]);
    let lower = text.to_lowercase();
    for word in lower.split(|c: char| !c.is_alphabetic()) {
        assert!(!word.starts_with("twoj") && !word.starts_with("twój"), "{word}: {text}");
        assert!(!["łeś", "łaś", "łbyś", "łabyś"].iter().any(|ending| word.ends_with(ending)), "{word}: {text}");
    }
    for both_genders in ["(a)", "(-a)", "/-a"] {
        assert!(!lower.contains(both_genders), "{text}");
    }
    for (at, _) in text.match_indices("{product}") {
        assert!(["serwisu ", "serwisie "].iter().any(|noun| text[..at].ends_with(noun)), "{text}");
    }
}

fn assert_no_straight_quotes(text: &str) {
    assert!(!text.contains(['\'', '"']), "{text}");
}

/// Checks that the text has none of these words, which are in lower case. The names of placeholders are no words.
fn assert_no_word(text: &str, wrong: &[&str]) {
    let lower = text.to_lowercase();
    let outside_braces = lower.split('{').map(|part| part.split_once('}').map_or(part, |(_, after)| after));
    let mut words = outside_braces.flat_map(|part| part.split(|c: char| !c.is_alphabetic()));
    assert!(!words.any(|word| wrong.contains(&word)), "one of {wrong:?}: {text}");
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
        for text in ["Hello {name}", "Hallo {to}", ""] {
            assert!(!accepts(english, "de", &other(text, "eins")), "{text}");
        }
        assert!(!accepts(english, "de", "[a]\nb = \"Hallo {name}\""));
        assert!(!accepts("a = \"Log in\"", "de", "a = \"x\""));
    }
    #[test]
    fn the_conventions_of_each_language_are_checked() {
        for (language, right, wrong) in [
            ("fr", "Bonjour {name}\u{202F}!", "Bonjour {name}!"),
            ("fr", "L’{name}", "L'{name}"),
            ("es", "¡Hola {name}!", "Hola {name}!"),
            ("es", "Hola {name}, usted", "Hola {name}, tu"),
            ("ja", "{name} 様", "{name} さん"),
            ("ja", "{name}。", "{name}."),
            ("ar", "{name}؟", "{name}?"),
            ("ar", "{name} 0", "{name} \u{0660}"),
            ("it", "L’utente {name}", "L'utente {name}"),
            ("it", "{name}, perché no", "{name}, perchè no"),
            ("it", "È {name}", "E’ {name}"),
            ("it", "{name}, la sua password", "{name}, la tua password"),
            ("it", "Scadenza: {event_time}", "Fino al {event_time}"),
            ("pt", "Olá, {name}, sua senha", "Olá, {name}, tua senha"),
            ("pt", "Olá, {name}, o usuário", "Olá, {name}, o utilizador"),
            ("pt", "Seu e-mail, {name}", "Seu email, {name}"),
            ("pt", "Conta em {product}", "Conta na {product}"),
            ("nl", "{name}, uw wachtwoord", "{name}, je wachtwoord"),
            ("nl", "Uw e-mailadres, {name}", "Uw emailadres, {name}"),
            ("pl", "{name}, to konto", "{name}, Twoje konto"),
            ("pl", "{name}, jeśli to zrobiono", "{name}, jeśli to zrobiłaś"),
            ("pl", "{name}: zalogowano się", "{name}: zalogował(a) się"),
            ("pl", "{name}, nowe hasło", "{name}, nowe haslo"),
            ("pl", "Konto w serwisie {product}", "Konto w {product}"),
            ("pl", "„{name}”", "“{name}”"),
        ] {
            let values: Vec<String> = placeholders(right).into_iter().map(|name| format!("{{{name}}}")).collect();
            let english = format!("a = \"Hello {}\"", values.join(" "));
            assert!(accepts(&english, language, &format!("a = \"{right}\"")), "{language}: {right}");
            assert!(!accepts(&english, language, &format!("a = \"{wrong}\"")), "{language}: {wrong}");
        }
        assert!(accepts("a = \"Password\"", "it", "a = \"Password\""));
        assert!(!accepts("a = \"Password\"", "de", "a = \"Password\""));
    }
}
