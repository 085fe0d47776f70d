//! What every mail does, and what no mail may do.

mod branded;
mod languages;
mod property_tests;
mod snapshots;

use std::sync::LazyLock;

use mailparse::{MailAddr, MailHeaderMap, ParsedMail};
use proptest::prelude::*;
use test_support::HOSTILE_NAMES;

use super::*;
use crate::plan::Template;

const TOKEN: &str = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE";

fn renderer() -> Renderer {
    Renderer::new(
        "Acme <no-reply@acme.example>".parse().unwrap(),
        "https://accounts.acme.example".parse().unwrap(),
        &Branding::default(),
    )
    .unwrap()
}

fn example(template: Template) -> ExampleMail {
    ExampleMail::new(template, TOKEN)
}

/// Returns a mail of each kind in each of its cases, with the name of both.
fn every_mail_in_every_case() -> impl Iterator<Item = (String, ExampleMail)> {
    ExampleMail::all(TOKEN).map(|mail| (mail.name().replace('.', ", "), mail))
}

/// Returns the same in each language, with the language first.
fn every_mail_in_every_language(renderer: &Renderer) -> impl Iterator<Item = (&str, String, ExampleMail)> {
    let in_language =
        |language| every_mail_in_every_case().map(move |(title, mail)| (title, mail.in_language(language)));
    renderer
        .languages()
        .flat_map(move |(language, _)| in_language(language).map(move |(title, mail)| (language, title, mail)))
}

fn composed(mail: &ExampleMail) -> ComposedMail {
    renderer().compose(&mail.content()).unwrap()
}

#[test]
fn headers_and_bodies_parse_back_unchanged() {
    let renderer = renderer();
    for (language, title, mail) in every_mail_in_every_language(&renderer) {
        let name = mail.facts.display_name.clone().filter(|_| mail.facts.template.names_recipient());
        let mail = renderer.compose(&mail.content()).unwrap();
        let parsed = mailparse::parse_mail(mail.message.as_bytes()).unwrap();
        assert_eq!(recipient(&parsed), (name, "ada@example.org".to_owned()), "{title}");
        for (name, value) in [
            ("From", "Acme <no-reply@acme.example>"),
            ("Subject", mail.subject.as_str()),
            ("Date", "Sun, 22 Nov 2026 20:10:43 +0000"),
            ("Message-ID", "<0193590c-7a4e@mail.acme.example>"),
            ("Auto-Submitted", "auto-generated"),
            ("X-Auto-Response-Suppress", "All"),
            ("Content-Language", language),
            ("MIME-Version", "1.0"),
        ] {
            assert_eq!(parsed.headers.get_all_values(name), [value], "{title}");
        }
        assert_eq!(parsed.ctype.mimetype, "multipart/alternative");
        assert_bodies(&mail, &parsed);
        assert_well_formed(mail.message.as_bytes());
    }
}

/// Returns the only mailbox of the only `To` header.
fn recipient(parsed: &ParsedMail<'_>) -> (Option<String>, String) {
    let to = parsed.headers.get_all_headers("To");
    assert_eq!(to.len(), 1);
    let addresses = mailparse::addrparse_header(to[0]).unwrap();
    match addresses.as_slice() {
        [MailAddr::Single(single)] => (single.display_name.clone(), single.addr.clone()),
        others => panic!("not one recipient: {others:?}"),
    }
}

fn assert_bodies(mail: &ComposedMail, parsed: &ParsedMail<'_>) {
    let parts: Vec<(&str, String)> = parsed
        .subparts
        .iter()
        .map(|part| (part.ctype.mimetype.as_str(), part.get_body().unwrap().replace("\r\n", "\n")))
        .collect();
    let [("text/plain", text), ("text/html", html)] = parts.as_slice() else {
        panic!("other parts than text and HTML");
    };
    assert_eq!(text.trim_end(), mail.text.trim_end());
    assert_eq!(html.trim_end(), mail.html.trim_end());
}

/// Checks that the message is ASCII with CRLF line ends, that no line of its headers is longer than 76, and that no other
/// line is longer than 998: a text in ASCII is not encoded, and its link is on one line.
fn assert_well_formed(message: &[u8]) {
    let message = std::str::from_utf8(message).unwrap();
    assert!(message.is_ascii());
    let (headers, body) = message.split_once("\r\n\r\n").unwrap();
    for (part, longest) in [(headers, 76), (body, 998)] {
        for line in part.split("\r\n") {
            assert!(!line.contains(['\r', '\n']), "a bare CR or LF in {line:?}");
            assert!(line.len() <= longest, "{line:?}");
        }
    }
}

#[test]
fn a_hostile_name_adds_no_header_no_recipient_no_element_and_no_link_in_any_language() {
    let renderer = renderer();
    let long = ["a".repeat(320), "😀".repeat(320), "<\"&'>".repeat(64), "e\u{301}".repeat(160)];
    let names: Vec<&str> = HOSTILE_NAMES.into_iter().chain(long.iter().map(String::as_str)).collect();
    for (language, _) in renderer.languages() {
        let reset = |display_name: Option<&str>| {
            let mut mail = example(Template::PasswordReset);
            mail.facts.display_name = display_name.map(str::to_owned);
            mail.facts.locale = Some(language.to_owned());
            renderer.compose(&mail.content()).unwrap()
        };
        let (named, nameless, neutral) = (reset(Some("Ada Lovelace")), reset(None), reset(Some("ada")));
        for name in &names {
            let mail = reset(Some(name));
            // Without a name that is safe to show the greeting is neutral, and contains no isolate.
            let plain = if sanitize::name_in_sentence(Some(name)).is_some() { &named } else { &nameless };
            let parsed = mailparse::parse_mail(mail.message.as_bytes()).unwrap();

            assert_eq!(header_names(&parsed), header_names_of(plain), "{name:?}");
            assert_eq!(recipient(&parsed).1, "ada@example.org", "{name:?}");
            assert_eq!(mail.envelope, plain.envelope, "{name:?}");
            assert_eq!(mail.subject, plain.subject, "{name:?}");
            assert_well_formed(mail.message.as_bytes());
            assert_bodies(&mail, &parsed);

            assert_eq!(tags(&mail.html), tags(&plain.html), "{name:?}");
            assert_eq!(links(&mail.text), links(&plain.text), "{name:?}");
            // A long isolated name is a line of its own.
            let lines = mail.text.lines().count();
            assert!((0..=2).contains(&(lines - neutral.text.lines().count())), "{name:?}");
            for shown in [&mail.text, &mail.html] {
                assert!(!shown.contains("evil.example"), "{name:?}");
                assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{name:?}");
            }
            assert_eq!(direction_controls(&mail.text), direction_controls(&plain.text), "{name:?} in {language}");
            assert_eq!(direction_controls(&mail.html), direction_controls(&plain.html), "{name:?} in {language}");
        }
    }
}

/// Generates arbitrary text with typical parts of attacks.
fn hostile_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,12}",
        any::<char>().prop_map(String::from),
        prop::sample::select(vec![
            "\r\n",
            "\n",
            "\r",
            "\0",
            "Bcc: eve@evil.example",
            "\r\n.\r\n",
            "<script>",
            "</td>",
            "\"",
            "'",
            "&",
            "<",
            ">",
            "{{ mail.text }}",
            "{% raw %}",
            "{product}",
            "\u{202E}",
            "\u{2066}",
            "\u{200F}",
            "=?utf-8?q?=0D=0A?=",
            "@",
            "https://evil.example",
            "www.evil.example",
            "👩‍👩‍👧‍👦",
            "e\u{301}",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn user_text_changes_no_recipient_header_or_element(
        display_name in hostile_text(),
        username in hostile_text(),
        locale in hostile_text(),
        new_email in hostile_text(),
        old_email in hostile_text(),
        template in prop::sample::select(Template::ALL),
    ) {
        static RENDERER: LazyLock<Renderer> = LazyLock::new(renderer);
        let renderer = &*RENDERER;
        let plain = renderer.compose(&example(template).content()).unwrap();
        let mut hostile = example(template);
        hostile.facts.display_name = Some(display_name);
        hostile.facts.locale = Some(locale);
        hostile.facts.values.inviter = Some(username.clone());
        hostile.facts.values.username = Some(username);
        hostile.facts.values.new_email = Some(new_email);
        hostile.facts.values.old_email = Some(old_email);
        // A mail about an email change needs an address.
        let Ok(mail) = renderer.compose(&hostile.content()) else { return Ok(()) };
        let parsed = mailparse::parse_mail(mail.message.as_bytes()).unwrap();
        prop_assert_eq!(header_names(&parsed), header_names_of(&plain));
        prop_assert_eq!(recipient(&parsed).1, "ada@example.org");
        prop_assert_eq!(&mail.envelope, &plain.envelope);
        if [Template::Welcome, Template::VerifyEmail, Template::RegistrationAttempted].contains(&template) {
            hostile.facts.display_name = None;
            hostile.facts.values.username = None;
            prop_assert_eq!(&mail.message, &renderer.compose(&hostile.content()).unwrap().message);
        }
        assert_well_formed(mail.message.as_bytes());
        assert_bodies(&mail, &parsed);
        // Attributes may differ with the language. A greeting without a name contains no isolate.
        let elements = |mail: &ComposedMail| -> Vec<String> {
            let names = tags(&mail.html).into_iter().map(|tag| tag.split(' ').next().unwrap_or_default().to_owned());
            names.filter(|name| name.trim_start_matches('/') != "bdi").collect()
        };
        prop_assert_eq!(elements(&mail), elements(&plain));
        let hrefs = |mail: &ComposedMail| mail.html.matches("href=").count();
        prop_assert_eq!(hrefs(&mail), hrefs(&plain));
        for shown in [&mail.text, &mail.html] {
            prop_assert!(!shown.chars().any(|c| c.is_control() && c != '\n'));
        }
    }
}

/// Returns every character that changes the text direction.
fn direction_controls(text: &str) -> Vec<char> {
    let is_control = |c: &char| matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(is_control).collect()
}

fn header_names_of(mail: &ComposedMail) -> Vec<String> {
    header_names(&mailparse::parse_mail(mail.message.as_bytes()).unwrap())
}

fn header_names(parsed: &ParsedMail<'_>) -> Vec<String> {
    parsed.headers.iter().map(mailparse::MailHeader::get_key).collect()
}

/// Returns the elements with their attributes.
fn tags(html: &str) -> Vec<&str> {
    let opened = html.split('<').skip(1);
    opened.filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag).collect()
}

fn links(text: &str) -> Vec<&str> {
    text.split_whitespace().filter(|word| word.contains("://") || word.contains("www.")).collect()
}

#[test]
fn a_hostile_new_address_is_shown_as_plain_text() {
    let mut mail = example(Template::EmailChanged);
    let plain = composed(&mail);
    mail.facts.values.new_email = Some("\"</td><a href=x>\"@evil.example\r\n\u{202E}".to_owned());
    let mail = composed(&mail);
    assert_eq!(tags(&mail.html), tags(&plain.html));
    assert!(mail.text.contains("New address: \"</td><a href=x>\"@evil.example\n"));
    assert!(mail.html.contains("&lt;/td&gt;&lt;a href=x&gt;"));
}

#[test]
fn each_link_opens_its_page_with_the_token() {
    for (template, page) in [
        (Template::Welcome, "verify-email"),
        (Template::VerifyEmail, "verify-email"),
        (Template::PasswordReset, "reset-password"),
        (Template::RegistrationAttempted, "reset-password"),
        (Template::Invitation, "accept-invitation"),
        (Template::EmailChangeConfirm, "confirm-email"),
        (Template::EmailChanged, "undo-email-change"),
        (Template::PasswordChanged, "undo-change"),
        (Template::TotpEnabled, "undo-change"),
        (Template::RecoveryCodesRenewed, "undo-change"),
    ] {
        let mail = composed(&example(template));
        let url = format!("https://accounts.acme.example/{page}?token={TOKEN}");
        assert_eq!(links(&mail.text), [url.as_str()]);
        assert_eq!(mail.html.matches(&format!("href=\"{url}\"")).count(), 2);
    }
}

#[test]
fn a_mail_without_a_link_does_not_carry_a_token() {
    for &template in Template::ALL {
        if link::link_target(template) == link::LinkTarget::Nothing {
            let mail = composed(&example(template));
            assert!(!mail.text.contains(TOKEN) && !mail.html.contains(TOKEN), "{template:?}");
        }
    }
}

#[test]
fn debug_output_contains_no_token() {
    for &template in Template::ALL {
        let example = example(template);
        let mail = composed(&example);
        let debug = format!("{example:?} {:?} {mail:?} {mail:#?} {:?}", example.content(), mail.message);
        assert!(!debug.contains(&TOKEN[..12]), "{debug}");
    }
}

#[test]
fn a_missing_value_of_a_mail_is_named() {
    let renderer = renderer();
    let missing = |template, change: fn(&mut ExampleMail)| {
        let mut mail = example(template);
        change(&mut mail);
        match renderer.compose(&mail.content()) {
            Err(RenderError::MissingValue { value, .. }) => value,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(missing(Template::PasswordReset, |m| m.link_token = None), "link_token");
    assert_eq!(missing(Template::Invitation, |m| m.link_token = None), "link_token");
    assert_eq!(missing(Template::EmailChangeNotice, |m| m.facts.values.new_email = None), "new_email");
    assert_eq!(missing(Template::EmailChanged, |m| m.facts.values.old_email = None), "old_email");
    assert_eq!(missing(Template::EmailChangeConfirm, |m| m.facts.values.old_email = None), "masked_email");
    assert_eq!(missing(Template::RecoveryCodeUsed, |m| m.facts.values.remaining = None), "remaining");
    assert_eq!(missing(Template::AccountLocked, |m| m.facts.values.locked_until = None), "locked_until");
}

#[test]
fn rendering_is_deterministic_and_each_mail_has_its_own_boundary() {
    let mail = example(Template::Welcome);
    let first = composed(&mail);
    assert_eq!(first.message, composed(&mail).message);
    let other = MailContent { message_id: "other@mail.acme.example", ..mail.content() };
    let boundary = |mail: &ComposedMail| {
        let parsed = mailparse::parse_mail(mail.message.as_bytes()).unwrap();
        parsed.ctype.params["boundary"].clone()
    };
    assert_ne!(boundary(&first), boundary(&renderer().compose(&other).unwrap()));
}

#[test]
fn an_internationalised_domain_is_an_a_label_on_the_wire_and_unchanged_in_the_text() {
    let mut mail = example(Template::VerifyEmail);
    mail.facts.to = "ada@bücher.example".to_owned();
    let mail = composed(&mail);
    assert_eq!(mail.envelope.to()[0].to_string(), "ada@xn--bcher-kva.example");
    assert_eq!(mail.envelope.to().len(), 1);
    assert_eq!(mail.envelope.from().unwrap().to_string(), "no-reply@acme.example");
    let parsed = mailparse::parse_mail(mail.message.as_bytes()).unwrap();
    assert_eq!(recipient(&parsed).1, "ada@xn--bcher-kva.example");
    assert!(mail.text.contains("ada@bücher.example"));
}

#[test]
fn an_invalid_recipient_address_is_refused() {
    for to in ["", "ada", "ada@example.org, eve@evil.example", "ada@example.org\r\nBcc: eve@evil.example"] {
        let mut mail = example(Template::Welcome);
        mail.facts.to = to.to_owned();
        assert!(matches!(renderer().compose(&mail.content()), Err(RenderError::Recipient)), "{to:?}");
    }
}

#[test]
fn the_greeting_is_by_display_name_or_neutral() {
    for (display_name, greeting) in [
        (Some("Ada Lovelace"), "Hello Ada Lovelace,\n"),
        (Some(" \u{202E} "), "Hello,\n"),
        (None, "Hello,\n"),
        (Some("eve@evil.example"), "Hello,\n"),
    ] {
        let mut mail = example(Template::PasswordReset);
        mail.facts.display_name = display_name.map(str::to_owned);
        let mail = composed(&mail);
        assert!(mail.text.starts_with(greeting), "{}", mail.text);
    }
}

#[test]
fn a_mail_to_an_unverified_address_contains_no_text_of_the_registrant() {
    let renderer = renderer();
    for (_, title, plain) in every_mail_in_every_language(&renderer) {
        for name in HOSTILE_NAMES.into_iter().chain(["Ada Lovelace", "Your account was hacked call 555 0100"]) {
            // The bytes must be the same for every name: it is neither in `To` nor in the text.
            let with = |display_name: Option<&str>, username: Option<&str>| {
                let mut mail = plain.clone();
                mail.facts.display_name = display_name.map(str::to_owned);
                mail.facts.values.username = username.map(str::to_owned);
                renderer.compose(&mail.content()).unwrap().message
            };
            if plain.facts.template == Template::EmailChangeConfirm {
                let username = plain.facts.values.username.as_deref();
                assert_eq!(with(Some(name), username), with(None, username), "{title}: {name:?}");
            } else {
                assert_eq!(with(None, Some(name)), with(None, None), "{title}: {name:?} as username");
            }
            if [Template::Welcome, Template::VerifyEmail, Template::RegistrationAttempted]
                .contains(&plain.facts.template)
            {
                assert_eq!(with(Some(name), Some(name)), with(None, None), "{title}: {name:?}");
            }
        }
    }
}

#[test]
fn the_confirmation_of_a_new_address_names_the_account_and_warns() {
    let confirmation = |username: Option<&str>| {
        let mut mail = example(Template::EmailChangeConfirm);
        mail.facts.values.username = username.map(str::to_owned);
        composed(&mail)
    };
    let named = confirmation(Some("jane.doe"));
    for shown in [named.text.replace('\n', " "), named.html.replace("<bdi>", "").replace("</bdi>", "")] {
        assert!(shown.contains("the account jane.\u{200B}doe at Acme, whose present address"), "{shown}");
        assert!(shown.contains("a•••@e•••.org") && shown.contains("Do not press the button"), "{shown}");
    }
    // An event of an earlier release, and a name that a mail program would link, do not have this
    // case.
    let unnamed = confirmation(None);
    assert!(unnamed.text.replace('\n', " ").contains("an account at Acme whose present address is a•••@e•••.org"));
    for name in ["eve@evil.example", "https://evil.example", "www.evil", "\u{202E}"] {
        assert_eq!(confirmation(Some(name)).message, unnamed.message, "{name:?}");
    }
    let hostile = confirmation(Some("</p><a href=x>\r\nBcc\u{202E}"));
    assert_eq!(hostile.html.matches("<a ").count(), unnamed.html.matches("<a ").count());
    // The mail does not contain the present address.
    let mut mail = example(Template::EmailChangeConfirm);
    mail.facts.to = "new@example.org".to_owned();
    mail.facts.values.old_email = Some("ada.secret@lovelace.example".to_owned());
    let mail = composed(&mail);
    for shown in [&mail.text, &mail.html, &mail.subject] {
        assert!(!shown.contains("secret") && !shown.contains("lovelace"), "{shown}");
    }
}

#[test]
fn a_link_is_not_broken_or_rewritten_on_the_wire() {
    let renderer = renderer();
    for (language, _) in renderer.languages() {
        for (title, mut mail) in every_mail_in_every_case() {
            mail.facts.locale = Some(language.to_owned());
            let mail = renderer.compose(&mail.content()).unwrap();
            let parsed = mailparse::parse_mail(mail.message.as_bytes()).unwrap();
            for part in &parsed.subparts {
                let encoding = part.headers.get_first_value("Content-Transfer-Encoding").unwrap();
                assert!(["7bit", "base64"].contains(&encoding.as_str()), "{title} in {language}: {encoding}");
                let body = String::from_utf8(part.get_body_raw().unwrap()).unwrap();
                assert!(!body.contains("=3D"), "{title} in {language}");
                for link in links(&mail.text) {
                    assert!(link.len() > 80 && body.contains(link), "{title} in {language}: {link}");
                }
            }
        }
    }
}

#[test]
fn a_long_name_with_a_long_address_is_folded_and_parsed_back() {
    let to = format!("{}@{}.example", "ada".repeat(21), "lovelace".repeat(7));
    for name in ["Ada Lovelace", &"Ada ".repeat(16), &"山田太郎".repeat(16), &"a\"b ".repeat(12), &"x".repeat(64)] {
        let mut mail = example(Template::PasswordReset);
        (mail.facts.to, mail.facts.display_name) = (to.clone(), Some(name.to_owned()));
        let mail = composed(&mail);
        let parsed = mailparse::parse_mail(mail.message.as_bytes()).unwrap();
        assert_eq!(recipient(&parsed), (sanitize::clean_name(name), to.clone()));
        let message = std::str::from_utf8(mail.message.as_bytes()).unwrap();
        for line in message.split("\r\n").filter(|line| line.len() > 76) {
            assert_eq!(line, format!(" <{to}>"), "only the address itself is too long");
        }
    }
}

#[test]
fn without_a_display_name_the_product_is_the_senders_domain() {
    let renderer = Renderer::new(
        "no-reply@acme.example".parse().unwrap(),
        "https://acme.example".parse().unwrap(),
        &Branding::default(),
    )
    .unwrap();
    let mail = renderer.compose(&example(Template::Welcome).content()).unwrap();
    assert_eq!(mail.subject, "Welcome to acme.example");
}

#[test]
fn a_new_sign_in_shows_device_and_shortened_address_or_that_they_are_unknown_and_no_hostile_text() {
    let renderer = renderer();
    let sign_in = |device: Option<&str>, network: Option<&str>| {
        let mut mail = example(Template::NewSignIn);
        mail.facts.values.device = device.map(str::to_owned);
        mail.facts.values.network = network.map(str::to_owned);
        renderer.compose(&mail.content()).unwrap()
    };
    let known = sign_in(Some("Firefox on Linux"), Some("203.0.113.0/24"));
    assert!(known.text.contains("Device: Firefox on Linux\n") && known.text.contains("Network: 203.0.113.x\n"));
    assert!(known.text.contains("https://accounts.acme.example/undo-change?token="));
    let unknown = sign_in(None, None);
    assert!(unknown.text.contains("Device: unknown\n") && unknown.text.contains("Network: unknown\n"));
    for hostile in HOSTILE_NAMES {
        let mail = sign_in(Some(hostile), Some(hostile));
        assert_eq!(mail.html.matches("<a ").count(), known.html.matches("<a ").count(), "{hostile:?}");
        assert!(mail.text.contains("Network: unknown\n"), "{hostile:?}");
    }
}
