//! Tests that `docs/asyncapi.yaml` matches the types and the examples. `REGENERATE=1 cargo test -p events` rewrites it;
//! without the variable, any difference fails the test.

mod document;
mod yaml;

use std::{env, fs, path::Path};

use events::{EventType, StateRecord, schemas};
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use document::{TOMBSTONE, document, golden_examples};

#[test]
fn the_checked_in_document_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/asyncapi.yaml");
    let comment = "# Generated from the types of crates/events by scripts/generate.\n";
    let text = format!("{comment}{}", yaml::document(&document()));
    if env::var_os("REGENERATE").is_some() {
        fs::write(&path, &text).expect("the file can be written");
    }
    let checked_in = fs::read_to_string(&path).expect("docs/asyncapi.yaml");
    assert!(checked_in == text, "docs/asyncapi.yaml differs from the types; scripts/generate rewrites it");
}

/// The messages of the document, by channel.
struct Messages(Vec<Message>);

struct Message {
    channel: String,
    name: String,
    headers: Validator,
    key: Validator,
    value: Validator,
}

impl Messages {
    fn read() -> Messages {
        let document: Map<String, Value> =
            document().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let validator = |kind: &str, part: &str| {
            let reference = format!("#/components/{kind}/{part}");
            let schema = json!({ "$ref": reference, "components": document["components"] });
            let options = jsonschema::options().with_draft(Draft::Draft7).should_validate_formats(true);
            options.build(&schema).expect("a schema of draft 07 whose references resolve")
        };
        let message = |channel: &str, name: &str| Message {
            channel: channel.to_owned(),
            name: name.to_owned(),
            headers: validator("messages", &format!("{name}/headers")),
            key: validator("messageBindings", "userKey/kafka/key"),
            value: validator("messages", &format!("{name}/payload")),
        };
        let channels = document["channels"].as_object().expect("the channels").iter();
        let names = channels.flat_map(|(channel, about)| {
            let messages = about["messages"].as_object().expect("a channel has messages");
            messages.keys().map(move |name| (channel, name))
        });
        Messages(names.map(|(channel, name)| message(channel, name)).collect())
    }

    fn names_in(&self, channel: &str) -> Vec<&str> {
        self.0.iter().filter(|message| message.channel == channel).map(|message| message.name.as_str()).collect()
    }

    /// Returns the messages of a channel that describe a record.
    fn describing(&self, channel: &str, record: &Value) -> Vec<&str> {
        let describes = |message: &&Message| {
            message.channel == channel
                && message.headers.is_valid(&record["headers"])
                && message.key.is_valid(&record["key"])
                && message.value.is_valid(&record["value"])
        };
        self.0.iter().filter(describes).map(|message| message.name.as_str()).collect()
    }
}

#[test]
fn every_type_is_a_message_of_its_channel() {
    let messages = Messages::read();
    let mut expected: Vec<&str> = schemas().into_iter().map(|(name, _)| name).collect();
    expected.push(TOMBSTONE);
    expected.sort_unstable();
    let mut found = messages.names_in("user.events");
    assert_eq!(found.len(), EventType::ALL.len());
    found.extend(messages.names_in("user.state"));
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn every_example_is_described_by_exactly_the_message_of_its_type() {
    let messages = Messages::read();
    for (name, _) in schemas() {
        let channel = if name == StateRecord::TYPE { "user.state" } else { "user.events" };
        for (file, record) in golden_examples(name) {
            let expected = if record["value"].is_null() { TOMBSTONE } else { name };
            assert_eq!(messages.describing(channel, &record), [expected], "{name}/{file}");
        }
    }
}

#[test]
fn a_record_that_breaks_a_rule_of_the_headers_is_described_by_no_message() {
    let messages = Messages::read();
    let examples = [("user.events", "user.registered.v1", "full"), ("user.state", "user.state.v1", "full")];
    for (channel, name, file) in examples {
        let (_, valid) = golden_examples(name).into_iter().find(|(found, _)| found == file).expect("an example");
        let changes: [(&str, Value); 9] = [
            ("ce_specversion", "0.3".into()),
            ("ce_id", "1".into()),
            ("ce_type", "user.state.v2".into()),
            ("ce_source", "/email-service".into()),
            ("ce_subject", "019F2B4C-7A10-7C3E-9B1D-5F2A8E6D4C31".into()),
            ("ce_time", "yesterday".into()),
            ("ce_sequence", "7".into()),
            ("ce_dataschema", "urn:user-service:events:user.locked.v1".into()),
            ("content-type", "text/plain".into()),
        ];
        for (header, value) in changes {
            for value in [Some(value), None] {
                let mut record = valid.clone();
                let headers = record["headers"].as_object_mut().expect("the example has headers");
                match value {
                    Some(value) => drop(headers.insert(header.to_owned(), value)),
                    None => drop(headers.remove(header)),
                }
                assert_eq!(messages.describing(channel, &record), [""; 0], "{name}: {}", record["headers"]);
            }
        }
        let mut record = valid.clone();
        record["key"] = "ada".into();
        assert_eq!(messages.describing(channel, &record), [""; 0], "{name}: another key");
    }
}

#[test]
fn a_record_without_a_value_is_described_as_a_tombstone_only() {
    let messages = Messages::read();
    let (_, mut record) = golden_examples("user.registered.v1").remove(0);
    record["value"] = Value::Null;
    assert_eq!(messages.describing("user.events", &record), [""; 0]);
    let (_, record) =
        golden_examples("user.state.v1").into_iter().find(|(name, _)| name == "deleted").expect("deleted");
    assert_eq!(messages.describing("user.state", &record), [TOMBSTONE]);
}
