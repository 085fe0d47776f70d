//! Property tests of this layer's parsers for any input: those that start from the corpus, and those that concern
//! several types. Properties of a single type are tested in its file.

use std::time::{Duration, Instant};

use corpus::{Corpus, TestResult, corpus};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::*;

/// Maximum length of an error's detail. Details are shown to users and never repeat the input.
const LONGEST_DETAIL: usize = 200;

/// Checks that an error has a short detail that does not repeat the input.
fn check_error(invalid: &Invalid, typed: &str) -> TestResult {
    prop_assert!(invalid.detail.len() <= LONGEST_DETAIL, "{}", invalid.detail);
    prop_assert!(typed.len() < 40 || !invalid.detail.contains(typed), "{}", invalid.detail);
    Ok(())
}

/// Checks that `holds` is true for every accepted text of the corpus, and checks the errors of the others.
fn check_texts<T>(corpus: &Corpus, parse: impl Fn(&str) -> Result<T, Invalid>, holds: impl Fn(T, &str) -> TestResult) {
    corpus.holds_for_text(|typed| match parse(typed) {
        Ok(value) => holds(value, typed),
        Err(invalid) => check_error(&invalid, typed),
    });
}

#[test]
fn an_email_address_is_bounded_and_all_its_forms_have_the_same_key() {
    check_texts(&corpus!("email"), Email::parse, |email, _| {
        let shown = email.as_str();
        prop_assert!(email.key().len() <= email::MAX_BYTES);
        prop_assert!(!shown.contains(|c: char| c.is_control() || c.is_whitespace() || "<>\",;()".contains(c)));
        prop_assert!(email.key().rsplit_once('@').is_some_and(|(_, domain)| domain.is_ascii()));
        prop_assert!(shown.parse::<lettre::Address>().is_ok());
        // A key is not always an address (the key of İ has a combining dot), but it is its own key.
        prop_assert_eq!(email::key_prefix(email.key()), email.key());
        let again = Email::parse(shown).expect("it was parsed before");
        prop_assert_eq!((again.as_str(), again.key()), (shown, email.key()), "it is parsed to itself");
        let upper = Email::parse(&format!(" {}", shown.to_ascii_uppercase()));
        prop_assert_eq!(upper.as_ref().map(Email::key), Ok(email.key()));
        Ok(())
    });
}

#[test]
fn a_username_is_bounded_and_has_a_stable_key() {
    check_texts(&corpus!("username"), Username::parse, |name, _| {
        let characters = name.as_str().chars().count();
        prop_assert!((username::MIN_CHARS..=username::MAX_CHARS).contains(&characters));
        prop_assert!(!name.key().is_empty() && name.key().len() <= 32 * characters);
        prop_assert!(!name.key().contains('@') && !name.as_str().contains('@'));
        prop_assert_eq!(Username::parse(name.as_str()), Ok(name.clone()));
        // The same name in another case has the same key, if it is valid.
        for other in [name.as_str().to_uppercase(), name.as_str().to_lowercase()] {
            if let Ok(other) = Username::parse(&other) {
                prop_assert_eq!(other.key(), name.key(), "{:?} and {:?}", other.as_str(), name.as_str());
            }
        }
        Ok(())
    });
}

#[test]
fn a_login_identifier_has_a_bounded_key_of_one_kind() {
    let holds = |typed: &str| {
        let identifier = LoginIdentifier::parse(typed);
        prop_assert!(identifier.key().len() <= 1024, "{} bytes", identifier.key().len());
        prop_assert_eq!(matches!(identifier, LoginIdentifier::Email(_)), typed.contains('@'));
        if let Ok(email) = Email::parse(typed) {
            prop_assert_eq!(identifier.key(), email.key());
        }
        let debug = format!("{identifier:?}");
        prop_assert!(typed.trim().len() < 20 || !debug.contains(typed.trim()));
        Ok(())
    };
    corpus!("email").holds_for_text(holds);
    corpus!("username").holds_for_text(holds);
}

#[test]
fn a_display_name_is_one_line_of_bounded_length() {
    check_texts(&corpus!("display_name"), DisplayName::parse, |name, _| {
        prop_assert!((1..=display_name::MAX_CHARS).contains(&name.as_str().chars().count()));
        prop_assert!(!name.as_str().chars().any(char::is_control));
        prop_assert_eq!(DisplayName::parse(name.as_str()), Ok(name.clone()));
        Ok(())
    });
}

#[test]
fn a_locale_and_a_time_zone_have_one_canonical_form() {
    check_texts(&corpus!("locale"), Locale::parse, |locale, typed| {
        prop_assert!((1..=locale::MAX_BYTES).contains(&locale.as_str().len()));
        prop_assert!(locale.as_str().is_ascii());
        prop_assert_eq!(Locale::parse(locale.as_str()), Ok(locale.clone()));
        let upper = Locale::parse(&typed.to_ascii_uppercase());
        prop_assert_eq!(upper.as_ref(), Ok(&locale));
        Ok(())
    });
    check_texts(&corpus!("timezone"), Timezone::parse, |zone, typed| {
        prop_assert_eq!(Timezone::parse(zone.as_str()), Ok(zone.clone()));
        prop_assert!(zone.as_str().eq_ignore_ascii_case(typed.trim()));
        Ok(())
    });
}

#[test]
fn the_bare_and_the_quoted_form_of_an_idempotency_key_are_equal() {
    corpus!("idempotency_key").holds_for_bytes(|value| {
        let key = match IdempotencyKey::parse(value) {
            Ok(key) => key,
            Err(invalid) => return check_error(&invalid, &String::from_utf8_lossy(value)),
        };
        prop_assert!((1..=idempotency_key::MAX_LENGTH).contains(&key.as_str().len()));
        prop_assert!(key.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
        let quoted = format!("\"{}\"", key.as_str().replace('\\', "\\\\").replace('"', "\\\""));
        prop_assert_eq!(IdempotencyKey::parse(quoted), Ok(key.clone()));
        Ok(())
    });
}

#[test]
fn tokens_and_codes_are_parsed_from_their_text_or_refused() {
    corpus!("token").holds_for_text(|typed| {
        if let Some(token) = OneTimeToken::parse(typed) {
            let written = token.to_text();
            prop_assert_eq!(written.expose_secret(), typed.trim());
            prop_assert_eq!(format!("{token:?}"), "OneTimeToken([REDACTED])");
        }
        Ok(())
    });
    corpus!("code").holds_for_text(|typed| {
        match SecondFactorCode::parse(typed) {
            Some(SecondFactorCode::Recovery(code)) => {
                let text = code.to_text();
                let again = SecondFactorCode::parse(text.expose_secret());
                prop_assert!(
                    matches!(again, Some(SecondFactorCode::Recovery(again)) if again.expose() == code.expose())
                );
            }
            Some(SecondFactorCode::Totp(_)) => prop_assert!(typed.len() <= 128),
            None => {}
        }
        Ok(())
    });
}

#[test]
fn a_role_is_a_short_word() {
    check_texts(&corpus!("username"), Role::parse, |role, typed| {
        prop_assert_eq!(role.as_str(), typed);
        prop_assert!(typed.len() <= 64 && typed.bytes().all(|byte| byte.is_ascii_graphic()));
        Ok(())
    });
}

#[test]
fn a_search_matches_the_prefix_of_keys_and_its_end_is_greater() {
    check_texts(&corpus!("search"), SearchText::parse, |search, typed| {
        prop_assert_eq!(search.is_none(), typed.is_empty());
        let Some(search) = search else { return Ok(()) };
        // A normal form makes each of the 254 characters at most 18 times as long.
        for prefix in [Some(search.email()), search.username()].into_iter().flatten() {
            prop_assert!(prefix.len() <= 254 * 4 * 18, "{} bytes", prefix.len());
            if let Some(behind) = user_search::prefix_end(prefix) {
                prop_assert!(behind.as_str() > prefix && !behind.starts_with(prefix));
            }
        }
        if let Ok(email) = Email::parse(typed) {
            prop_assert!(email.key().starts_with(search.email()), "{:?} in {:?}", search.email(), email.key());
        }
        if let (Ok(name), Some(prefix)) = (Username::parse(typed), search.username()) {
            prop_assert_eq!(name.key(), prefix);
        }
        Ok(())
    });
}

#[test]
fn attributes_are_stored_unchanged_within_their_limits() {
    corpus!("json").holds_for_bytes(|bytes| {
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return Ok(()) };
        match Attributes::parse(value.clone()) {
            Ok(attributes) => {
                let json = attributes.to_json();
                prop_assert!(json.len() <= attributes::MAX_BYTES);
                let again: Value = serde_json::from_str(&json).expect("it was written just now");
                prop_assert_eq!(&again, &value);
                // A patch with the attributes themselves only removes members with null (RFC 7396).
                let merged = attributes.merged(attributes.as_map()).expect("a merge with itself does not grow");
                prop_assert!(merged.to_json().len() <= json.len());
            }
            Err(invalid) => check_error(&invalid, &String::from_utf8_lossy(bytes))?,
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            // Any text is refused as a schema or usable as one.
            let _ = AttributeRules::parse(text);
        }
        Ok(())
    });
}

#[test]
fn a_pointer_resolves_to_its_member() {
    corpus!("display_name").holds_for_text(|name| {
        let written = json_pointer(["a", name]);
        prop_assert!(written.is_ascii() && !written.contains(|c: char| c.is_control() || c == ' ' || c == '"'));
        // RFC 6901, section 6: decode the fragment, then evaluate it as a pointer.
        let decoded = percent_decoded(written.trim_start_matches('#'));
        let document = serde_json::json!({ "a": { name: "here" } });
        prop_assert_eq!(document.pointer(&decoded).and_then(Value::as_str), Some("here"));
        Ok(())
    });
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(&behind[..2]).expect("two hexadecimal digits");
            bytes.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits"));
            rest = &behind[2..];
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    String::from_utf8(bytes).expect("the name is UTF-8")
}

#[test]
fn a_device_name_comes_from_the_tables_whatever_the_user_agent() {
    corpus!("header").holds_for_text(|agent| {
        if let Some(device) = device_name(agent) {
            prop_assert!(device.len() <= 64 && device.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
        }
        Ok(())
    });
}

#[test]
fn a_password_is_bounded_and_estimated_in_bounded_time() {
    let policy = PasswordPolicy::new(8, &["localhost"]);
    corpus!("display_name").holds_for_text(|typed| {
        let started = Instant::now();
        let Ok(password) = Password::parse_attempt(&typed.into()) else { return Ok(()) };
        prop_assert!(password.expose().len() <= 4096 && typed.len() <= 4096);
        let own = ContextWords::from_texts([typed, "ada@example.org"]);
        for violation in policy.violations(&password, &own) {
            check_error(&violation, typed)?;
        }
        let debug = format!("{password:?}");
        prop_assert!(!debug.contains(typed) || typed.len() < 12);
        // The limit is far above the normal time, and far below that of a quadratic search.
        prop_assert!(started.elapsed() < Duration::from_secs(20));
        Ok(())
    });
}
