//! What holds of every parser of this layer, whatever is typed. Properties of one type alone are
//! beside its code; here are those that begin with the corpus, and those between types.

use std::time::{Duration, Instant};

use corpus::{TestResult, corpus};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::*;

/// The longest detail of a refusal; details are shown to people and never repeat what was typed.
const LONGEST_DETAIL: usize = 200;

/// A refusal says what is wrong in a sentence, and repeats nothing.
fn refused(invalid: &Invalid, typed: &str) -> TestResult {
    prop_assert!(invalid.detail.len() <= LONGEST_DETAIL, "{}", invalid.detail);
    prop_assert!(typed.len() < 40 || !invalid.detail.contains(typed), "{}", invalid.detail);
    Ok(())
}

#[test]
fn an_address_is_within_its_bounds_and_all_its_forms_are_one() {
    corpus!("email").holds_for_text(|typed| {
        let email = match Email::parse(typed) {
            Ok(email) => email,
            Err(invalid) => return refused(&invalid, typed),
        };
        let (shown, sent) = (email.as_str(), email.deliverable());
        prop_assert!(email.key().len() <= email::MAX_BYTES && sent.len() <= email::MAX_BYTES);
        prop_assert!(!sent.contains(|c: char| c.is_control() || c.is_whitespace() || "<>\",;()".contains(c)));
        prop_assert!(sent.rsplit_once('@').is_some_and(|(_, domain)| domain.is_ascii()));
        prop_assert!(sent.parse::<lettre::Address>().is_ok() && shown.parse::<lettre::Address>().is_ok());
        for form in [shown, &sent] {
            let again = Email::parse(form);
            prop_assert_eq!(again.as_ref().map(Email::key), Ok(email.key()), "{:?}", form);
        }
        // A key need not be an address (of İ it has a combining dot), but it is its own key.
        prop_assert_eq!(email::key_prefix(email.key()), email.key());
        let again = Email::parse(shown).expect("it was read just now");
        prop_assert_eq!(again.as_str(), shown, "parse and print are each other's inverse");
        let upper = Email::parse(&format!(" {}", shown.to_ascii_uppercase()));
        prop_assert_eq!(upper.as_ref().map(Email::key), Ok(email.key()));
        Ok(())
    });
}

#[test]
fn a_user_name_is_within_its_bounds_and_looks_like_its_key() {
    corpus!("username").holds_for_text(|typed| {
        let name = match Username::parse(typed) {
            Ok(name) => name,
            Err(invalid) => return refused(&invalid, typed),
        };
        let characters = name.as_str().chars().count();
        prop_assert!((username::MIN_CHARS..=username::MAX_CHARS).contains(&characters));
        prop_assert!(!name.key().is_empty() && name.key().len() <= 32 * characters);
        prop_assert!(!name.key().contains('@') && !name.as_str().contains('@'));
        prop_assert_eq!(Username::parse(name.as_str()), Ok(name.clone()));
        // The same name in other letters is the same key, if it is a name at all.
        for other in [name.as_str().to_uppercase(), name.as_str().to_lowercase()] {
            if let Ok(other) = Username::parse(&other) {
                prop_assert_eq!(other.key(), name.key(), "{:?} and {:?}", other.as_str(), name.as_str());
            }
        }
        Ok(())
    });
}

#[test]
fn whoever_logs_in_is_looked_up_by_a_bounded_key_of_one_kind() {
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
fn a_display_name_is_one_visible_line() {
    corpus!("display_name").holds_for_text(|typed| {
        let name = match DisplayName::parse(typed) {
            Ok(name) => name,
            Err(invalid) => return refused(&invalid, typed),
        };
        prop_assert!((1..=display_name::MAX_CHARS).contains(&name.as_str().chars().count()));
        prop_assert!(!name.as_str().chars().any(char::is_control));
        prop_assert_eq!(DisplayName::parse(name.as_str()), Ok(name.clone()));
        Ok(())
    });
}

#[test]
fn a_locale_and_a_time_zone_are_written_one_way() {
    corpus!("locale").holds_for_text(|typed| {
        match Locale::parse(typed) {
            Ok(locale) => {
                prop_assert!((1..=locale::MAX_BYTES).contains(&locale.as_str().len()));
                prop_assert!(locale.as_str().is_ascii());
                prop_assert_eq!(Locale::parse(locale.as_str()), Ok(locale.clone()));
                let upper = Locale::parse(&typed.to_ascii_uppercase());
                prop_assert_eq!(upper.as_ref(), Ok(&locale));
            }
            Err(invalid) => refused(&invalid, typed)?,
        }
        Ok(())
    });
    corpus!("timezone").holds_for_text(|typed| {
        match Timezone::parse(typed) {
            Ok(zone) => {
                prop_assert_eq!(Timezone::parse(zone.as_str()), Ok(zone.clone()));
                prop_assert!(zone.as_str().eq_ignore_ascii_case(typed.trim()));
            }
            Err(invalid) => refused(&invalid, typed)?,
        }
        Ok(())
    });
}

#[test]
fn an_idempotency_key_is_the_same_bare_and_quoted() {
    corpus!("idempotency_key").holds_for_bytes(|value| {
        let key = match IdempotencyKey::parse(value) {
            Ok(key) => key,
            Err(invalid) => return refused(&invalid, &String::from_utf8_lossy(value)),
        };
        prop_assert!((1..=idempotency_key::MAX_LENGTH).contains(&key.as_str().len()));
        prop_assert!(key.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
        let quoted = format!("\"{}\"", key.as_str().replace('\\', "\\\\").replace('"', "\\\""));
        prop_assert_eq!(IdempotencyKey::parse(quoted), Ok(key.clone()));
        Ok(())
    });
}

#[test]
fn tokens_and_codes_are_read_back_or_refused() {
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
    corpus!("username").holds_for_text(|typed| {
        match Role::parse(typed) {
            Ok(role) => {
                prop_assert_eq!(role.as_str(), typed);
                prop_assert!(typed.len() <= 64 && typed.bytes().all(|byte| byte.is_ascii_graphic()));
            }
            Err(invalid) => refused(&invalid, typed)?,
        }
        Ok(())
    });
}

#[test]
fn a_search_finds_what_begins_so_and_its_end_is_behind_it() {
    corpus!("search").holds_for_text(|typed| {
        let search = match SearchText::parse(typed) {
            Ok(None) => {
                prop_assert!(typed.is_empty());
                return Ok(());
            }
            Ok(Some(search)) => search,
            Err(invalid) => return refused(&invalid, typed),
        };
        // 254 characters, each of which a normal form makes at most 18 times as long.
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
fn attributes_are_kept_as_they_are_within_their_bounds() {
    corpus!("json").holds_for_bytes(|bytes| {
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return Ok(()) };
        match Attributes::parse(value.clone()) {
            Ok(attributes) => {
                let json = attributes.to_json();
                prop_assert!(json.len() <= attributes::MAX_BYTES);
                let again: Value = serde_json::from_str(&json).expect("it was written just now");
                prop_assert_eq!(&again, &value);
                // A patch with itself changes nothing but that nulls go (RFC 7396).
                let merged = attributes.merged(attributes.as_map()).expect("it does not grow");
                prop_assert!(merged.to_json().len() <= json.len());
            }
            Err(invalid) => refused(&invalid, &String::from_utf8_lossy(bytes))?,
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            // The operator's schema: refused at start, or usable.
            let _ = AttributeRules::parse(text);
        }
        Ok(())
    });
}

#[test]
fn a_pointer_leads_back_to_the_member() {
    corpus!("display_name").holds_for_text(|name| {
        let written = json_pointer(["a", name]);
        prop_assert!(written.is_ascii() && !written.contains(|c: char| c.is_control() || c == ' ' || c == '"'));
        // RFC 6901, section 6: percent-decode, then evaluate as a pointer.
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
            let digits = std::str::from_utf8(&behind[..2]).expect("two digits");
            bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
            rest = &behind[2..];
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    String::from_utf8(bytes).expect("it was UTF-8")
}

#[test]
fn a_device_has_one_of_our_names_whatever_the_agent_says() {
    corpus!("header").holds_for_text(|agent| {
        if let Some(device) = device_name(agent) {
            prop_assert!(device.len() <= 64 && device.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
        }
        Ok(())
    });
}

#[test]
fn a_password_is_bounded_and_judged_in_bounded_time() {
    let policy = PasswordPolicy::new(8, &["localhost"]);
    corpus!("display_name").holds_for_text(|typed| {
        let started = Instant::now();
        let Ok(password) = Password::parse_attempt(typed.to_owned()) else { return Ok(()) };
        prop_assert!(password.expose().len() <= 4096 && typed.len() <= 4096);
        let own = ContextWords::from_texts([typed, "ada@example.org"]);
        for objection in policy.violations(&password, &own) {
            refused(&objection, typed)?;
        }
        let debug = format!("{password:?}");
        prop_assert!(!debug.contains(typed) || typed.len() < 12);
        // Far above what it takes, far below what a quadratic search would.
        prop_assert!(started.elapsed() < Duration::from_secs(20));
        Ok(())
    });
}
