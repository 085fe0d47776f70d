//! Tests that `schemas/` matches the types. `REGENERATE=1 cargo test -p events` rewrites the files;
//! without the variable, any difference fails the test.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{env, fs};

use events::schemas;
use serde_json::Value;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

fn text(schema: &Value) -> String {
    let json = serde_json::to_string_pretty(schema).expect("a JSON value");
    format!("{json}\n")
}

fn file_name(name: &str) -> String {
    format!("{name}.json")
}

fn found_files() -> BTreeSet<String> {
    let entries = fs::read_dir(directory()).expect("crates/events/schemas");
    entries.map(|entry| entry.expect("a directory entry").file_name().into_string().expect("valid UTF-8")).collect()
}

#[test]
fn the_checked_in_schemas_are_those_of_the_types() {
    let expected: BTreeSet<String> = schemas().iter().map(|(name, _)| file_name(name)).collect();
    if env::var_os("REGENERATE").is_some() {
        for orphan in found_files().difference(&expected) {
            fs::remove_file(directory().join(orphan)).expect("the file can be removed");
        }
        for (name, schema) in schemas() {
            fs::write(directory().join(file_name(name)), text(&schema)).expect("the file can be written");
        }
    }
    assert_eq!(found_files(), expected, "schemas/ has too many or too few files; REGENERATE=1 corrects it");
    for (name, schema) in schemas() {
        let checked_in = fs::read_to_string(directory().join(file_name(name))).expect("the file can be read");
        assert!(checked_in == text(&schema), "schemas/{name}.json differs from the type; REGENERATE=1 rewrites it");
    }
}

#[test]
fn every_schema_is_valid_2020_12_and_described() {
    for (name, schema) in schemas() {
        assert!(jsonschema::draft202012::meta::is_valid(&schema), "{name}");
        assert_eq!(schema["$id"], format!("urn:user-service:events:{name}"));
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert!(schema["title"].is_string() && schema["description"].is_string(), "{name}");
        for (member, schema) in schema["properties"].as_object().expect("the schema has properties") {
            assert!(schema["description"].is_string(), "{name}: {member} has no description");
        }
        let user = if name == "user.state.v1" { "id" } else { "userId" };
        assert_eq!(schema["required"][0], user, "{name}");
    }
}

#[test]
fn consumers_must_expect_members_that_the_schema_does_not_name() {
    for (name, schema) in schemas() {
        let mut text = text(&schema);
        // The public attributes are members of any name.
        if name == "user.state.v1" {
            text = text.replacen("\"additionalProperties\": true", "", 1);
        }
        for closed in ["additionalProperties", "unevaluatedProperties"] {
            assert!(!text.contains(closed), "{name} forbids unknown members");
        }
    }
}
