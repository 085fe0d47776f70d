//! The mails in each language, their conventions, and text direction.

use std::path::Path;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use i18n::{Catalogue, Language};
use test_support::LANGUAGES;

use super::*;

#[test]
fn every_language_has_its_own_name() {
    let renderer = renderer();
    let languages: Vec<(&str, &str)> = renderer.languages().collect();
    let expected = [
        ("ar", "العربية"),
        ("de", "Deutsch"),
        ("en", "English"),
        ("es", "Español"),
        ("fr", "Français"),
        ("it", "Italiano"),
        ("ja", "日本語"),
        ("nl", "Nederlands"),
        ("pl", "Polski"),
        ("pt", "Português"),
    ];
    assert_eq!(expected.map(|(tag, _)| tag), LANGUAGES);
    assert_eq!(languages, expected);
}

#[test]
fn the_catalogues_are_complete_and_follow_the_conventions_of_each_language() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogues");
    test_support::assert_catalogues(&folder, &LANGUAGES, &[": "]);
}

#[test]
fn a_recipient_gets_the_closest_language() {
    let renderer = renderer();
    for (locale, expected) in [
        ("fr-CA", "fr"),
        ("fr-Latn-FR", "fr"),
        ("es-419", "es"),
        ("es_MX", "es"),
        ("ja-JP", "ja"),
        ("ja-JP-u-ca-japanese", "ja"),
        ("ar-EG", "ar"),
        ("AR", "ar"),
        ("ar-SA-u-nu-arab", "ar"),
        ("de-AT", "de"),
        ("it-CH", "it"),
        ("nl-BE", "nl"),
        ("pl_PL", "pl"),
        ("pt-BR", "pt"),
        ("pt-PT", "pt"),
        ("sv-FI", "en"),
        ("arz", "en"),
        ("jam", "en"),
        ("", "en"),
    ] {
        let html = renderer.compose(&example(Template::Welcome).in_language(locale).content()).unwrap().html;
        assert!(html.contains(&format!("<html lang=\"{expected}\"")), "{locale}");
    }
}

#[test]
fn times_are_formatted_for_each_language() {
    for (language, expected) in [
        ("ar", "1 مارس 2026، الساعة 08:05 (UTC)"),
        ("de", "1. März 2026, 08:05 Uhr (UTC)"),
        ("en", "1 March 2026, 08:05 UTC"),
        ("es", "1 de marzo de 2026, 08:05 (UTC)"),
        ("fr", "1er mars 2026 à 08:05 (UTC)"),
        ("it", "1º marzo 2026, ore 08:05 (UTC)"),
        ("ja", "2026年3月1日 08:05（UTC）"),
        ("nl", "1 maart 2026 om 08:05 uur (UTC)"),
        ("pl", "1 marca 2026 r., godz. 08:05 (UTC)"),
        ("pt", "1º de março de 2026, 08:05 (UTC)"),
    ] {
        let mut mail = example(Template::PasswordChanged).in_language(language);
        mail.facts.event_time = "2026-03-01T09:05:59+01:00".parse().unwrap();
        let html = composed(&mail).html;
        assert!(html.contains(&format!("<bdi>{expected}</bdi>")), "{language}: {html}");
    }
}

#[test]
fn codes_use_the_plural_forms_of_each_language() {
    let renderer = renderer();
    for (language, expected) in [
        ("ar", "لا شيء | رمز واحد | رمزان | 3 رموز | 11 رمزًا | 22 رمزًا | 100 رمز | 1000000 رمز"),
        ("de", "keiner | 1 Code | 2 Codes | 3 Codes | 11 Codes | 22 Codes | 100 Codes | 1000000 Codes"),
        ("en", "none | 1 code | 2 codes | 3 codes | 11 codes | 22 codes | 100 codes | 1000000 codes"),
        ("es", "ninguno | 1 código | 2 códigos | 3 códigos | 11 códigos | 22 códigos | 100 códigos | 1000000 códigos"),
        ("fr", "aucun | 1 code | 2 codes | 3 codes | 11 codes | 22 codes | 100 codes | 1000000 codes"),
        ("it", "nessuno | 1 codice | 2 codici | 3 codici | 11 codici | 22 codici | 100 codici | 1000000 codici"),
        ("ja", "なし | 1個 | 2個 | 3個 | 11個 | 22個 | 100個 | 1000000個"),
        ("nl", "geen | 1 code | 2 codes | 3 codes | 11 codes | 22 codes | 100 codes | 1000000 codes"),
        ("pl", "brak | 1 kod | 2 kody | 3 kody | 11 kodów | 22 kody | 100 kodów | 1000000 kodów"),
        ("pt", "nenhum | 1 código | 2 códigos | 3 códigos | 11 códigos | 22 códigos | 100 códigos | 1000000 códigos"),
    ] {
        let counts = [0, 1, 2, 3, 11, 22, 100, 1_000_000];
        assert_eq!(expected.split(" | ").count(), counts.len());
        for (remaining, expected) in counts.into_iter().zip(expected.split(" | ")) {
            let mut mail = example(Template::RecoveryCodeUsed).in_language(language);
            mail.facts.values.remaining = Some(remaining);
            let text = renderer.compose(&mail.content()).unwrap().text;
            assert!(
                text.lines().any(|line| line.ends_with(&format!("{}{expected}", colon(language)))),
                "{language}: {expected}: {text}"
            );
        }
    }
}

fn colon(language: &str) -> &'static str {
    match language {
        "fr" => "\u{A0}: ",
        "ja" => "：",
        _ => ": ",
    }
}

#[test]
fn subjects_and_names_are_encoded_words_that_each_decode_alone() {
    let renderer = renderer();
    for (language, name) in [("ja", "山田太郎".repeat(16)), ("ar", "محمد عبد الرحمن ".repeat(4))] {
        let mut encoded = 0;
        for &template in Template::ALL {
            let mut mail = example(template);
            (mail.facts.locale, mail.facts.display_name) = (Some(language.to_owned()), Some(name.clone()));
            let mail = renderer.compose(&mail.content()).unwrap();
            assert_well_formed(mail.message.as_bytes());
            let message = std::str::from_utf8(mail.message.as_bytes()).unwrap();
            let (headers, _) = message.split_once("\r\n\r\n").unwrap();
            for word in headers.split_whitespace().filter(|word| word.starts_with("=?")) {
                // RFC 2047, sections 2 and 5: at most 75 characters, and whole characters in each
                // word.
                assert!(word.len() <= 75, "{word}");
                let base64 = word.strip_prefix("=?utf-8?b?").and_then(|rest| rest.strip_suffix("?=")).unwrap();
                assert!(String::from_utf8(BASE64_STANDARD.decode(base64).unwrap()).is_ok(), "{word}");
                encoded += 1;
            }
            let parsed = mailparse::parse_mail(mail.message.as_bytes()).unwrap();
            assert_eq!(parsed.headers.get_all_values("Subject"), [mail.subject.as_str()]);
            assert_eq!(recipient(&parsed).0, sanitize::clean_name(&name).filter(|_| template.names_recipient()));
        }
        assert!(encoded > 2 * Template::ALL.len(), "subjects and names were encoded");
    }
}

#[test]
fn no_line_of_text_is_too_wide_in_any_script() {
    use unicode_width::UnicodeWidthStr as _;
    let renderer = renderer();
    for (language, _, mail) in every_mail_in_every_language(&renderer) {
        let text = renderer.compose(&mail.content()).unwrap().text;
        for line in text.lines().filter(|line| !line.contains("://")) {
            assert!(line.width() <= 76, "{language}: {line}");
            assert!(!line.starts_with(['。', '、', '」', '）', 'ー', '，']), "{line}");
        }
    }
}

#[test]
fn arabic_mails_are_right_to_left_and_isolate_latin_values() {
    let renderer = renderer();
    for (_, mut mail) in every_mail_in_every_case() {
        mail.facts.locale = Some("ar-EG".to_owned());
        let names_recipient = mail.facts.template.names_recipient();
        let ComposedMail { html, text, subject, .. } = renderer.compose(&mail.content()).unwrap();
        assert!(html.contains("<html lang=\"ar\" dir=\"rtl\"") && html.contains("<body class=\"page\" dir=\"rtl\""));
        assert!(html.contains("role=\"article\"") && html.contains("lang=\"ar\" dir=\"rtl\">"));
        assert!(html.contains("align=\"right\"") && !html.contains("align=\"left\""));
        // Arabic letters join, so there is no negative letter spacing.
        assert!(!html.contains("letter-spacing"));
        // Each table has its own direction for its columns.
        assert_eq!(html.matches("class=\"panel\"").count(), html.matches("class=\"panel\" dir=\"rtl\"").count());

        assert_eq!(
            html.matches("ada@example.org").count(),
            html.matches("<bdi dir=\"ltr\">ada@example.org</bdi>").count()
        );
        if names_recipient {
            assert!(html.contains("مرحبًا <bdi>Ada Lovelace</bdi>،"));
            assert!(text.starts_with("مرحبًا \u{2068}Ada Lovelace\u{2069}،\n"));
        } else {
            assert!(text.starts_with("مرحبًا،\n"));
        }
        assert_eq!(text.matches("ada@example.org").count(), text.matches("\u{2066}ada@example.org\u{2069}").count());
        assert_eq!(subject.contains("Acme"), subject.contains("\u{2068}Acme\u{2069}"));
        // An isolate ends on the line where it began.
        for line in text.lines() {
            assert_eq!(line.chars().map(i18n::isolate_depth_change).sum::<i32>(), 0, "{line:?}");
        }
        if let Some(link) = links(&text).first() {
            assert!(text.lines().any(|line| line == *link), "a link is alone on its line");
            assert!(html.contains("<a class=\"link\" dir=\"ltr\""));
        }
    }
}

#[test]
fn a_left_to_right_language_needs_no_control_characters() {
    let renderer = renderer();
    for language in LANGUAGES.into_iter().filter(|language| *language != "ar") {
        for (_, mut mail) in every_mail_in_every_case() {
            mail.facts.locale = Some(language.to_owned());
            let mail = renderer.compose(&mail.content()).unwrap();
            assert!(direction_controls(&format!("{}{}{}", mail.subject, mail.text, mail.html)).is_empty());
            assert!(mail.html.contains(&format!("<html lang=\"{language}\" dir=\"ltr\"")));
        }
    }
}

#[test]
fn japanese_mails_have_their_own_fonts_and_line_breaks() {
    let mut mail = example(Template::PasswordReset);
    assert!(!composed(&mail).html.contains("line-break"));
    mail.facts.locale = Some("ja-JP".to_owned());
    let mail = composed(&mail);
    assert!(mail.html.contains("line-break: strict") && mail.html.contains("font-family:Hiragino Sans,"));
    assert!(mail.text.starts_with("Ada Lovelace 様\n"));
}

#[test]
fn a_language_is_added_by_adding_files() {
    let english = include_str!("../../../catalogues/en.toml");
    let hebrew = english.replace("Hello {name},", "שלום {name},");
    // Hebrew has a dual form.
    let hebrew = hebrew.replace("one = \"{remaining} code\",", "one = \"{remaining} code\", two = \"two codes\",");
    let language = include_str!("../../../../i18n/languages/en.toml").replace("\"ltr\"", "\"rtl\"");
    let catalogues = [(Language::embedded("en"), english), (Language::parse("he", &language), &hebrew)]
        .map(|(language, toml)| Catalogue::parse(language.unwrap(), toml).unwrap());
    let mut renderer = renderer();
    renderer.catalogues = Catalogues::new(catalogues.into()).unwrap();
    let mut mail = example(Template::PasswordReset);
    mail.facts.locale = Some("he-IL".to_owned());
    let mail = renderer.compose(&mail.content()).unwrap();
    assert!(mail.html.contains("<html lang=\"he\" dir=\"rtl\""));
    assert!(mail.html.contains("שלום <bdi>Ada Lovelace</bdi>,"));
}
