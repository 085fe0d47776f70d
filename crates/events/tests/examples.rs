//! Tests that all example messages that were ever published still decode to the same events.
//!
//! Files in `examples/` are added, but never changed, because they represent records in topics.

use std::fs;
use std::path::{Path, PathBuf};

use events::sealing::{KeyRing, PrivateKey, Purpose};
use events::{Decoded, Event, EventType, Payload, StateRecord, TokenGrant, UserState, decode, decode_state};
use secrecy::ExposeSecret as _;
use serde_json::Value;

/// The private key in `examples/README.md`. The boxes were sealed to its public key with libsodium.
const EXAMPLE_PRIVATE_KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

struct Example {
    name: String,
    directory: String,
    json: Value,
}

impl Example {
    fn read(path: &Path) -> Example {
        let text = fs::read_to_string(path).expect("the file can be read");
        Example {
            name: path.display().to_string(),
            directory: file_name(path.parent().expect("a directory")),
            json: serde_json::from_str(&text).expect("valid JSON"),
        }
    }

    fn value(&self) -> String {
        self.json["value"].to_string()
    }

    fn headers(&self) -> Vec<(String, String)> {
        let headers = self.json["headers"].as_object().expect("the example has headers");
        let text = |value: &Value| value.as_str().expect("a string").to_owned();
        headers.iter().map(|(name, value)| (name.clone(), text(value))).collect()
    }

    fn event(&self) -> Event {
        let headers = self.headers();
        let key = self.json["key"].as_str().expect("a valid key");
        let decoded = decode(
            headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes()))),
            Some(key.as_bytes()),
            Some(self.value().as_bytes()),
        );
        match decoded {
            Ok(Decoded::Event(event)) => *event,
            other => panic!("{}: {other:?}", self.name),
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().expect("a file name").to_str().expect("valid UTF-8").to_owned()
}

fn entries(path: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(path).expect("a directory").map(|entry| entry.expect("a directory entry").path()).collect();
    paths.sort();
    paths
}

/// Returns the examples of both topics.
fn all_examples() -> Vec<Example> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let directories = entries(&root).into_iter().filter(|path| path.is_dir());
    directories.flat_map(|directory| entries(&directory)).map(|path| Example::read(&path)).collect()
}

/// Returns the examples of the topic of events.
fn examples() -> Vec<Example> {
    all_examples().into_iter().filter(|example| example.directory != StateRecord::TYPE).collect()
}

#[test]
fn every_example_decodes_to_its_directorys_type_and_every_type_has_one() {
    let mut missing: Vec<_> = EventType::ALL.to_vec();
    for example in examples() {
        let event = example.event();
        assert_eq!(event.envelope.event_type.as_str(), example.directory, "{}", example.name);
        assert_eq!(event.payload.event_type(), event.envelope.event_type);
        missing.retain(|event_type| *event_type != event.envelope.event_type);
    }
    assert_eq!(missing, []);
}

#[test]
fn every_example_is_encoded_again_as_it_was_published() {
    for example in examples() {
        let event = example.event();
        let value: Value = serde_json::from_str(&event.payload.to_json()).expect("valid JSON");
        assert_eq!(value, example.json["value"], "{}", example.name);
        assert_eq!(event.envelope.key(), example.json["key"], "{}", example.name);
        let mut headers: Vec<_> =
            event.envelope.headers().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut published = example.headers();
        headers.sort();
        published.sort();
        assert_eq!(headers, published, "{}", example.name);
    }
}

#[test]
fn every_example_of_a_state_decodes_and_is_encoded_again_as_it_was_published() {
    let (mut states, mut tombstones) = (0, 0);
    for example in all_examples().into_iter().filter(|example| example.directory == StateRecord::TYPE) {
        let given = &example.json["value"];
        let value = (!given.is_null()).then(|| example.value());
        let headers = example.headers();
        let key = example.json["key"].as_str().expect("a valid key");
        let decoded = decode_state(
            headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes()))),
            Some(key.as_bytes()),
            value.as_deref().map(str::as_bytes),
        );
        let Ok(Decoded::Event(record)) = decoded else { panic!("{}: {decoded:?}", example.name) };
        assert_eq!(record.user.to_string(), key);
        let mut encoded: Vec<_> = record.headers().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut published = headers;
        encoded.sort();
        published.sort();
        assert_eq!(encoded, published, "{}", example.name);
        match &record.state {
            Some(state) => {
                let encoded: Value = serde_json::from_str(&state.to_json()).expect("valid JSON");
                assert_eq!(&encoded, given, "{}", example.name);
                let schema = UserState::schema();
                let validator = jsonschema::options().should_validate_formats(true).build(&schema).expect("a schema");
                assert!(validator.is_valid(given), "{}", example.name);
                states += 1;
            }
            None => tombstones += 1,
        }
    }
    assert!(states >= 2 && tombstones >= 1, "{states} states, {tombstones} tombstones");
}

#[test]
fn every_example_is_valid_by_its_schema() {
    for example in examples() {
        let schema = example.event().envelope.event_type.schema();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).expect("a schema");
        let errors: Vec<_> = validator.iter_errors(&example.json["value"]).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", example.name);
    }
}

/// Returns the token of an event, its purpose, and the address it is sealed to.
fn token_grant(payload: &Payload) -> Option<(&TokenGrant, Purpose, &str)> {
    match payload {
        Payload::UserRegistered(p) => Some((&p.verification, Purpose::EmailVerification, &p.recipient.email)),
        Payload::UserEmailVerificationRequested(p) => {
            Some((&p.verification, Purpose::EmailVerification, &p.recipient.email))
        }
        Payload::UserPasswordResetRequested(p) => Some((&p.reset, Purpose::PasswordReset, &p.recipient.email)),
        Payload::UserEmailChangeRequested(p) => Some((&p.confirmation, Purpose::EmailChange, &p.new_email)),
        Payload::UserEmailChanged(p) => Some((&p.undo, Purpose::EmailChangeUndo, &p.old_email)),
        Payload::UserRegistrationAttempted(p) => Some((&p.reset, Purpose::PasswordReset, &p.recipient.email)),
        Payload::UserInvited(p) => Some((&p.invitation, Purpose::Invitation, &p.recipient.email)),
        Payload::UserPasswordChanged(p) => {
            p.undo.as_ref().map(|undo| (undo, Purpose::PasswordChangeUndo, p.recipient.email.as_str()))
        }
        Payload::UserTotpEnabled(p) => {
            p.undo.as_ref().map(|undo| (undo, Purpose::TotpUndo, p.recipient.email.as_str()))
        }
        Payload::UserRecoveryCodesRenewed(p) => {
            p.undo.as_ref().map(|undo| (undo, Purpose::RecoveryCodesUndo, p.recipient.email.as_str()))
        }
        Payload::UserNewSignIn(p) => {
            p.undo.as_ref().map(|undo| (undo, Purpose::SignInUndo, p.recipient.email.as_str()))
        }
        _ => None,
    }
}

#[test]
fn boxes_sealed_by_libsodium_open_and_are_bound_to_their_event() {
    let key = PrivateKey::from_base64(EXAMPLE_PRIVATE_KEY).expect("a valid key");
    let ring = KeyRing::new(vec![key]).expect("a ring of one key");
    let mut opened = 0;
    for example in examples() {
        let event = example.event();
        if let Some((grant, purpose, to)) = token_grant(&event.payload) {
            let token = ring
                .open_bound(&grant.sealed, to, purpose, event.envelope.id)
                .unwrap_or_else(|error| panic!("{}: {error}", example.name));
            assert_eq!(token.expose_secret().len(), 43, "256 bits in base64url");
            opened += 1;
        }
    }
    assert_eq!(opened, 14);
}

#[test]
fn the_guide_for_consumers_names_every_type_and_shows_a_real_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("../../docs/EVENTS.md")).expect("docs/EVENTS.md");
    for event_type in EventType::ALL {
        assert!(guide.contains(&format!("`{event_type}`")), "{event_type} is not in the guide");
    }
    let shown = guide.split("```json\n").nth(1).and_then(|rest| rest.split("```").next());
    let example = root.join("examples/user.registered.v1/full.json");
    assert_eq!(shown, Some(fs::read_to_string(example).expect("the file can be read").as_str()));
}
