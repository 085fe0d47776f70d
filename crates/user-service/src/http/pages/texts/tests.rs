//! Tests of the texts in all languages.

use std::{fs, path::Path};

use super::*;

impl Texts {
    /// Returns all texts, the reasons last.
    fn all(&self) -> Vec<&'static str> {
        let Texts {
            verify_title,
            verify_text,
            verify_button,
            account_username,
            account_created,
            verified_title,
            verified_text,
            confirmed_text,
            disown_text,
            disown_box,
            disown_button,
            disowned_title,
            disowned_text,
            reset_title,
            reset_text,
            reset_label,
            reset_hint,
            reset_button,
            reset_done_title,
            reset_done_text,
            password_refused,
            password_reasons,
            change_title,
            change_text,
            change_button,
            changed_title,
            changed_text,
            taken_title,
            taken_text,
            change_again_text,
            ref undo_email,
            ref undo_password,
            ref undo_totp,
            ref undo_codes,
            undo_box,
            undo_button,
            box_not_ticked,
            unknown_title,
            unknown_text,
            used_title,
            used_text,
            reset_used_text,
            expired_title,
            expired_text,
            send_button,
            reset_offer_button,
            address_form_text,
            address_form_reset_text,
            address_label,
            address_invalid,
            sent_title,
            sent_text,
            not_sent_text,
            unavailable_title,
            rate_limited_text,
            unavailable_text,
            date_format: _,
        } = *self;
        let mut all = vec![
            verify_title,
            verify_text,
            verify_button,
            account_username,
            account_created,
            verified_title,
            verified_text,
            confirmed_text,
            disown_text,
            disown_box,
            disown_button,
            disowned_title,
            disowned_text,
            reset_title,
            reset_text,
            reset_label,
            reset_hint,
            reset_button,
            reset_done_title,
            reset_done_text,
            password_refused,
            change_title,
            change_text,
            change_button,
            changed_title,
            changed_text,
            taken_title,
            taken_text,
            change_again_text,
            undo_box,
            undo_button,
            box_not_ticked,
            unknown_title,
            unknown_text,
            used_title,
            used_text,
            reset_used_text,
            expired_title,
            expired_text,
            send_button,
            reset_offer_button,
            address_form_text,
            address_form_reset_text,
            address_label,
            address_invalid,
            sent_title,
            sent_text,
            not_sent_text,
            unavailable_title,
            rate_limited_text,
            unavailable_text,
        ];
        for undo in [undo_email, undo_password, undo_totp, undo_codes] {
            all.extend([undo.title, undo.text, undo.done_title, undo.done_text]);
        }
        all.extend(password_reasons.iter().map(|(_, text)| *text));
        all
    }
}

#[test]
fn every_language_explains_each_refused_password_and_the_minimum_length() {
    for language in Language::ALL {
        let texts = Texts::for_language(*language);
        for (code, english) in Texts::for_language(Language::English).password_reasons {
            let reason = texts.password_reason(code, 12).unwrap_or_else(|| panic!("{language:?}: {code}"));
            assert_eq!(reason.contains("12"), english.contains("{min}"), "{language:?}: {code}");
        }
        assert!(texts.password_hint(12).contains("12"), "{language:?}");
    }
}

#[test]
fn no_other_language_has_an_english_or_empty_text() {
    let english = Texts::for_language(Language::English).all();
    for language in Language::ALL.iter().filter(|language| **language != Language::English) {
        for text in Texts::for_language(*language).all() {
            assert!(!text.is_empty() && text.trim() == text && !english.contains(&text), "{language:?}: {text:?}");
        }
    }
}

#[test]
fn each_language_has_its_own_punctuation() {
    for text in Texts::for_language(Language::French).all() {
        let chars: Vec<char> = text.chars().collect();
        for (at, c) in chars.iter().enumerate().skip(1) {
            match c {
                ':' => assert_eq!(chars[at - 1], '\u{A0}', "{text}"),
                ';' | '!' | '?' => assert_eq!(chars[at - 1], '\u{202F}', "{text}"),
                _ => {}
            }
        }
        assert!(!text.contains('\''), "{text}");
    }
    for text in Texts::for_language(Language::Japanese).all() {
        assert!(!text.contains([' ', ',', '.', ':', '!', '?']), "{text}");
    }
    for text in Texts::for_language(Language::Arabic).all() {
        assert!(!text.contains([',', ';', '?']), "{text}");
    }
}

#[test]
fn times_are_written_in_each_language_and_in_utc() {
    let at = "2026-03-01T04:05:59Z".parse().unwrap();
    for (language, expected) in [
        (Language::English, "1 March 2026, 04:05 UTC"),
        (Language::German, "1. März 2026, 04:05 Uhr (UTC)"),
        (Language::French, "1er mars 2026 à 04:05 (UTC)"),
        (Language::Spanish, "1 de marzo de 2026, 04:05 (UTC)"),
        (Language::Japanese, "2026年3月1日 04:05（UTC）"),
        (Language::Arabic, "1 مارس 2026، الساعة 04:05 (UTC)"),
    ] {
        assert_eq!(Texts::for_language(language).date_format.format(at), expected);
    }
    let second = "2026-12-02T23:59:00Z".parse().unwrap();
    assert_eq!(Texts::for_language(Language::French).date_format.format(second), "2 décembre 2026 à 23:59 (UTC)");
}

#[test]
fn times_are_written_as_in_the_mails() {
    let catalogues = Path::new(env!("CARGO_MANIFEST_DIR")).join("../email-service/catalogues");
    for language in Language::ALL {
        let catalogue = fs::read_to_string(catalogues.join(format!("{}.toml", language.tag()))).unwrap();
        let DateFormat { pattern, months, first_day } = &Texts::for_language(*language).date_format;
        assert!(catalogue.contains(&format!("\nformat = \"{pattern}\"\n")), "{language:?}: {pattern}");
        for month in months {
            assert!(catalogue.contains(&format!("\"{month}\"")), "{language:?}: {month}");
        }
        let first_day = first_day.map(|day| format!("\nfirst_day = \"{day}\"\n"));
        let as_it_is = first_day.map_or(!catalogue.contains("first_day ="), |line| catalogue.contains(&line));
        assert!(as_it_is, "{language:?}");
    }
}

#[test]
fn english_speaks_as_the_vocabulary_says() {
    for text in Texts::for_language(Language::English).all() {
        let lower = text.to_lowercase();
        for wrong in ["e-mail", "user name", "log in", "login", "somebody", "nobody", "whoever"] {
            assert!(!lower.contains(wrong), "{wrong}: {text}");
        }
    }
}
