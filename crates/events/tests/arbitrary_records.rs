//! Properties of arbitrary records in either topic: each is an event or a state, has an unknown type, or
//! is a dead letter with a short reason that repeats no data.

use std::{fmt::Debug, fs, path::Path};

use corpus::{Corpus, TestResult, corpus};
use events::{
    DecodeError, Decoded, Event, EventType, MAX_VALUE_BYTES, SealedToken, StateRecord, TraceParent, UserState,
    sealing::{KeyRing, PrivateKey, PublicKey},
};
use proptest::{prelude::*, sample::Index};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

/// The maximum length of a reason in a dead letter and in a log line.
const MAX_REASON_BYTES: usize = 1024;
/// A part of the data, which no reason may contain.
const SECRET: &str = "s3cr3t-t0k3n";

/// A record of a topic.
#[derive(Debug, Clone)]
struct Record {
    headers: Vec<(String, Vec<u8>)>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

/// What the records of a topic decode to.
trait Contents: events::Record + PartialEq + Debug {
    /// Returns the record that the service publishes.
    fn encode(&self) -> Record;
}

impl Contents for Event {
    fn encode(&self) -> Record {
        Record::new(self.envelope.headers(), self.envelope.key(), Some(self.payload.to_json()))
    }
}

impl Contents for StateRecord {
    fn encode(&self) -> Record {
        Record::new(self.headers(), self.user.to_string(), self.state.as_ref().map(UserState::to_json))
    }
}

impl Record {
    fn new(headers: Vec<(&str, String)>, key: String, value: Option<String>) -> Record {
        Record {
            headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())).collect(),
            key: Some(key.into_bytes()),
            value: value.map(String::into_bytes),
        }
    }

    fn decode<T: Contents>(&self) -> Result<Decoded<T>, DecodeError> {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_slice())));
        T::decode(headers, self.key.as_deref(), self.value.as_deref())
    }

    /// Checks what must be true for every record, in whichever topic it is.
    fn check_invariants(&self) -> TestResult {
        self.check_invariants_of::<Event>()?;
        self.check_invariants_of::<StateRecord>()
    }

    fn check_invariants_of<T: Contents>(&self) -> TestResult {
        match self.decode::<T>() {
            Ok(Decoded::Event(contents)) => {
                prop_assert!(self.value.as_ref().is_none_or(|value| value.len() <= MAX_VALUE_BYTES));
                let encoded = contents.encode();
                prop_assert_eq!(self.value.is_none(), encoded.value.is_none());
                prop_assert_eq!(encoded.decode(), Ok(Decoded::Event(contents)), "it is encoded to the same");
            }
            Ok(Decoded::UnknownType(name)) => prop_assert!(name.len() <= MAX_REASON_BYTES),
            Err(error) => {
                let (reason, debug) = (error.to_string(), format!("{error:?}"));
                prop_assert!(reason.len() <= MAX_REASON_BYTES, "{} bytes: {:.80}", reason.len(), reason);
                prop_assert!(!reason.contains(SECRET) && !debug.contains(SECRET), "the reason repeats the data");
            }
        }
        Ok(())
    }
}

/// Returns the golden examples as records.
fn examples() -> Vec<Record> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let entries = |path: &Path| fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries(&root).filter(|path| path.is_dir()).flat_map(|path| entries(&path)).collect();
    files.sort();
    let record = |path: &std::path::PathBuf| {
        let json: Value = serde_json::from_slice(&fs::read(path).expect("a file")).expect("valid JSON");
        let headers = json["headers"].as_object().expect("the example has headers");
        let bytes = |value: &Value| value.as_str().expect("a string").as_bytes().to_vec();
        Record {
            headers: headers.iter().map(|(name, value)| (name.clone(), bytes(value))).collect(),
            key: Some(bytes(&json["key"])),
            value: (!json["value"].is_null()).then(|| json["value"].to_string().into_bytes()),
        }
    };
    files.iter().map(record).collect()
}

fn example() -> impl Strategy<Value = Record> {
    prop::sample::select(examples())
}

/// Generates a value that replaces a member of the data.
fn replacement_value() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!(SECRET),
        json!(format!("{SECRET}@example.org\r\nBcc: eve@example.org")),
        json!(SECRET.repeat(2000)),
        json!([SECRET]),
        json!({ SECRET: SECRET }),
        json!("2026-02-30T00:00:00Z"),
        json!("00000000-0000-0000-0000-000000000000"),
    ])
}

/// Collects the JSON pointers of all values in a document, beginning with the document itself.
fn json_pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| json_pointers(value, &format!("{at}/{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, value)| json_pointers(value, &format!("{at}/{n}"), found));
        }
        _ => {}
    }
}

fn with_replaced_member(mut record: Record, pointer: Index, replacement: Value) -> Record {
    let value = record.value.as_deref().unwrap_or(b"null");
    let mut data: Value = serde_json::from_slice(value).expect("an example's value is JSON");
    let mut found = Vec::new();
    json_pointers(&data, "", &mut found);
    *data.pointer_mut(pointer.get(&found[..]).as_str()).expect("the pointer exists") = replacement;
    record.value = Some(data.to_string().into_bytes());
    record
}

proptest! {
    #[test]
    fn any_member_of_the_data_may_have_any_value(
        record in example(), pointer in any::<Index>(), replacement in replacement_value(),
    ) {
        with_replaced_member(record, pointer, replacement).check_invariants()?;
    }

    #[test]
    fn any_header_may_have_any_value(
        record in example(), at in any::<Index>(), name in prop::option::of("\\PC{0,20}"),
        value in corpus!("headers").bytes(), twice in any::<bool>(),
    ) {
        let mut record = record;
        let at = at.index(record.headers.len());
        let name = name.unwrap_or_else(|| record.headers[at].0.clone());
        if twice {
            record.headers.insert(at, (name, value));
        } else {
            record.headers[at] = (name, value);
        }
        record.check_invariants()?;
    }

    #[test]
    fn headers_key_and_value_may_be_any_bytes(
        headers in prop::collection::vec(("[a-z_]{0,15}|ce_type|ce_id|ce_specversion", corpus!("headers").bytes()), 0..15),
        key in prop::option::of(any::<Vec<u8>>()), value in prop::option::of(corpus!("values").bytes()),
    ) {
        Record { headers, key, value }.check_invariants()?;
    }
}

#[test]
fn the_value_of_any_type_may_be_any_bytes() {
    let examples = examples();
    let values = examples.iter().filter_map(|record| record.value.clone());
    let corpus = Corpus::from_inputs("examples/", values.chain(corpus!("values").cases().map(<[u8]>::to_vec)));
    corpus.holds_for_bytes(|value| {
        // To save time, each input is checked with four examples only, chosen by its length.
        let chosen = value.len() % examples.len();
        let near = (0..4).map(|step| &examples[(chosen + step) % examples.len()]);
        near.into_iter()
            .try_for_each(|record| Record { value: Some(value.to_vec()), ..record.clone() }.check_invariants())
    });
}

#[test]
fn a_value_that_is_too_large_is_not_parsed() {
    for example in examples() {
        let record = Record { value: Some(vec![b'['; MAX_VALUE_BYTES + 1]), ..example };
        let refused = [record.decode::<Event>().err(), record.decode::<StateRecord>().err()];
        assert!(refused.contains(&Some(DecodeError::TooLarge { bytes: MAX_VALUE_BYTES + 1 })), "{refused:?}");
    }
}

#[test]
fn a_type_is_recognised_by_its_exact_name_only() {
    corpus!("headers").holds_for_text(|text| {
        match EventType::parse(text) {
            Ok(event_type) => prop_assert_eq!(event_type.as_str(), text),
            Err(unknown) => {
                let shown = format!("{unknown:?}");
                prop_assert!(shown.len() <= MAX_REASON_BYTES);
            }
        }
        Ok(())
    });
}

#[test]
fn a_parsed_trace_parent_is_written_unchanged() {
    corpus!("headers").holds_for_text(|text| {
        if let Some(read) = TraceParent::parse(text) {
            prop_assert_eq!(TraceParent::parse(read.as_str()), Some(read.clone()));
            prop_assert_eq!(read.as_str().len(), 55);
            prop_assert_eq!(&read.as_str().as_bytes()[2..], &text.as_bytes()[2..55]);
        }
        Ok(())
    });
}

#[test]
fn a_key_is_written_unchanged_or_refused_without_being_quoted() {
    corpus!("keys").holds_for_text(|text| {
        match PublicKey::from_base64(text) {
            Ok(key) => {
                prop_assert_eq!(key.to_base64(), text.trim());
                prop_assert_eq!(key.kid().len(), 16);
            }
            Err(error) => prop_assert!(error.to_string().len() < 200),
        }
        match PrivateKey::from_base64(text) {
            Ok(key) => {
                let written = key.to_base64();
                prop_assert_eq!(written.expose_secret(), text.trim());
                let debug = format!("{key:?}");
                prop_assert!(!debug.contains(text.trim()), "the key is shown");
            }
            Err(error) => {
                let shown = format!("{error} {error:?}");
                prop_assert!(text.trim().len() < 12 || !shown.contains(text.trim()), "the key is shown: {}", shown);
            }
        }
        Ok(())
    });
}

#[test]
fn a_box_that_was_not_sealed_is_not_opened() {
    let (private, public) = PrivateKey::generate();
    let kid = public.kid().to_owned();
    let ring = KeyRing::new(vec![private]).expect("a ring of one key");
    corpus!("keys").holds_for_text(|text| {
        for kid in [kid.as_str(), text] {
            let token: SealedToken =
                serde_json::from_value(json!({ "kid": kid, "box": text })).expect("a token of two strings");
            let refused = ring.open(&token);
            prop_assert!(refused.is_err());
        }
        Ok(())
    });
}
