//! Snapshots of every mail: the headers and texts of every language in one file each, and the HTML of the languages in
//! which it differs by more than its texts.

use std::collections::BTreeSet;

use super::*;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/renderer/snapshots");

/// English; Arabic, from right to left; Japanese, with its own fonts and line breaks. The HTML of another language is that
/// of English with other texts.
const HTML_LANGUAGES: [&str; 3] = ["ar", "en", "ja"];

fn assert_snapshot(name: &str, shown: &str) {
    insta::with_settings!({
        snapshot_path => FOLDER,
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, shown);
    });
}

/// Returns the headers as they are sent, then the text.
fn headers_and_text(mail: &ComposedMail) -> String {
    let message = std::str::from_utf8(mail.message.as_bytes()).unwrap();
    let (headers, _) = message.split_once("\r\n\r\n").unwrap();
    format!("{}\n\n{}\n\n\n", headers.replace("\r\n", "\n"), mail.text.trim_end())
}

#[test]
fn every_mail_in_every_language() {
    let renderer = renderer();
    for (language, _) in renderer.languages() {
        let (mut texts, mut html) = (String::new(), String::new());
        for (name, mail) in every_mail_in_every_case() {
            let mail = renderer.compose(&mail.in_language(language).content()).unwrap();
            let title = format!("====== {name}: {}\n\n", mail.subject);
            texts.push_str(&format!("{title}{}", headers_and_text(&mail)));
            html.push_str(&format!("{title}{}\n\n\n", mail.html));
        }
        assert_snapshot(&format!("{language}.texts"), &texts);
        if HTML_LANGUAGES.contains(&language) {
            assert_snapshot(&format!("{language}.html"), &html);
        }
    }
}

fn shown_in_every_language(show: impl Fn(&Renderer, &str) -> String) -> String {
    let renderer = renderer();
    renderer.languages().map(|(language, _)| format!("====== {language}\n\n{}", show(&renderer, language))).collect()
}

#[test]
fn an_imported_user_gets_a_welcome_mail_without_a_link() {
    let shown = shown_in_every_language(|renderer, language| {
        let mut mail = example(Template::Welcome).in_language(language);
        mail.link_token = None;
        mail.facts.display_name = None;
        mail.facts.values.username = None;
        let mail = renderer.compose(&mail.content()).unwrap();
        assert!(!mail.html.contains("href"));
        headers_and_text(&mail)
    });
    assert_snapshot("welcome-imported", &shown);
}

#[test]
fn a_mail_with_a_hostile_name_and_a_hostile_address() {
    let shown = shown_in_every_language(|renderer, language| {
        let mut mail = example(Template::EmailChanged).in_language(language);
        mail.facts.display_name = Some("Ada \"<b>\r\nBcc eve\u{202E} 👩‍💻 O'Neill & محمد Zoë evil.example".to_owned());
        mail.facts.values.new_email = Some("\"</td><a href=x>محمد\"@\u{202E}evil.example\r\n".to_owned());
        let mail = renderer.compose(&mail.content()).unwrap();
        let html = if ["en", "ar"].contains(&language) { format!("{}\n\n\n", mail.html) } else { String::new() };
        headers_and_text(&mail) + &html
    });
    assert_snapshot("hostile", &shown);
}

#[test]
fn no_snapshot_is_left_over() {
    let renderer = renderer();
    let texts = renderer.languages().map(|(tag, _)| format!("{tag}.texts.snap"));
    let html = HTML_LANGUAGES.map(|tag| format!("{tag}.html.snap"));
    let expected: BTreeSet<String> =
        texts.chain(html).chain(["welcome-imported.snap", "hostile.snap"].map(str::to_owned)).collect();
    let found = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(found.collect::<BTreeSet<_>>(), expected);
}
