//! Tests that `schemas/` matches the types. `REGENERATE=1 cargo test -p events` rewrites the files;
//! without the variable, any difference fails the test.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{env, fs};

use events::EventType;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

fn schema_text(event_type: EventType) -> String {
    let json = serde_json::to_string_pretty(&event_type.schema()).expect("a JSON value");
    format!("{json}\n")
}

fn file_name(event_type: EventType) -> String {
    format!("{event_type}.json")
}

fn found_files() -> BTreeSet<String> {
    let entries = fs::read_dir(directory()).expect("crates/events/schemas");
    entries.map(|entry| entry.expect("a directory entry").file_name().into_string().expect("valid UTF-8")).collect()
}

#[test]
fn the_checked_in_schemas_are_those_of_the_types() {
    let expected: BTreeSet<String> = EventType::ALL.iter().map(|t| file_name(*t)).collect();
    if env::var_os("REGENERATE").is_some() {
        for orphan in found_files().difference(&expected) {
            fs::remove_file(directory().join(orphan)).expect("the file can be removed");
        }
        for event_type in EventType::ALL {
            fs::write(directory().join(file_name(*event_type)), schema_text(*event_type))
                .expect("the file can be written");
        }
    }
    assert_eq!(found_files(), expected, "schemas/ has too many or too few files; REGENERATE=1 corrects it");
    for event_type in EventType::ALL {
        let checked_in = fs::read_to_string(directory().join(file_name(*event_type))).expect("the file can be read");
        assert!(
            checked_in == schema_text(*event_type),
            "schemas/{event_type}.json differs from the type; REGENERATE=1 rewrites it"
        );
    }
}

#[test]
fn every_schema_is_valid_2020_12_and_described() {
    for event_type in EventType::ALL {
        let schema = event_type.schema();
        assert!(jsonschema::draft202012::meta::is_valid(&schema), "{event_type}");
        assert_eq!(schema["$id"], event_type.data_schema(), "{event_type}");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert!(schema["title"].is_string() && schema["description"].is_string(), "{event_type}");
        for (name, member) in schema["properties"].as_object().expect("the schema has properties") {
            assert!(member["description"].is_string(), "{event_type}: {name} has no description");
        }
        assert_eq!(schema["required"][0], "userId", "{event_type}");
    }
}

#[test]
fn consumers_must_expect_members_that_the_schema_does_not_name() {
    for event_type in EventType::ALL {
        let text = schema_text(*event_type);
        for closed in ["additionalProperties", "unevaluatedProperties"] {
            assert!(!text.contains(closed), "{event_type} forbids unknown members");
        }
    }
}
