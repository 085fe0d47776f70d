//! Tests that today's records of both topics and those of every release are understood by both. `released/<version>/` has the schemas
//! and examples of a release; `docs/UPGRADE.md` says how a release is recorded.

mod changes;
mod rules;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use events::{Decoded, EventType, StateRecord, decode, decode_state};
use serde_json::Value;

use rules::{Breach, breaches};

/// The schemas and examples of one release.
struct Release {
    version: String,
    directory: PathBuf,
}

impl Release {
    /// Returns all recorded releases, and what `scripts/released` would record today: it copies `schemas/` and
    /// `examples/` as they are. So the tests also cover types that no release has yet.
    fn all() -> Vec<Release> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let directories = entries(&root.join("released")).into_iter().filter(|path| path.is_dir());
        let mut releases: Vec<Release> =
            directories.map(|directory| Release { version: file_name(&directory), directory }).collect();
        assert!(!releases.is_empty(), "there is no release");
        releases.push(Release { version: "the next release".to_owned(), directory: root.to_owned() });
        releases
    }

    /// Returns the event types of the release with their schemas.
    fn schemas(&self) -> Vec<(String, Value)> {
        let schemas = entries(&self.directory.join("schemas"));
        schemas.iter().map(|path| (file_name(path).trim_end_matches(".json").to_owned(), read_json(path))).collect()
    }

    /// Returns the examples of the release: their path below `examples/`, and their text.
    fn examples(&self) -> Vec<(PathBuf, String)> {
        let root = self.directory.join("examples");
        let directories = entries(&root).into_iter().filter(|path| path.is_dir());
        let files = directories.flat_map(|directory| entries(&directory));
        let relative = |path: &Path| path.strip_prefix(&root).expect("the file is below examples/").to_owned();
        files.map(|path| (relative(&path), read(&path))).collect()
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a directory entry").path()).collect();
    paths.sort();
    paths
}

fn file_name(path: &Path) -> String {
    path.file_name().and_then(|name| name.to_str()).expect("valid UTF-8").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read_json(path: &Path) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns today's schema of a type, by its name.
fn todays_schema(name: &str) -> Option<Value> {
    events::schemas().into_iter().find(|(today, _)| *today == name).map(|(_, schema)| schema)
}

/// Returns why a consumer that validates by this schema refuses a value.
fn refusals(schema: &Value, value: &Value) -> Vec<String> {
    let validator = jsonschema::options().should_validate_formats(true).build(schema).expect("a schema");
    validator.iter_errors(value).map(|error| error.to_string()).collect()
}

#[test]
fn todays_event_types_keep_every_rule_that_a_release_has_set() {
    for release in Release::all() {
        let schemas = release.schemas();
        let found: Vec<Breach> = schemas
            .iter()
            .flat_map(|(name, released)| breaches(name, released, todays_schema(name).as_ref()))
            .collect();
        assert!(found.is_empty(), "the events of {} are no longer kept:\n{}", release.version, list(&found));
    }
}

#[test]
fn an_example_of_a_release_is_never_changed_and_decodes_today() {
    let today = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for release in Release::all() {
        for (path, text) in release.examples() {
            assert_eq!(read(&today.join(&path)), text, "{} has changed since {}", path.display(), release.version);
            let example: Value = serde_json::from_str(&text).expect("valid JSON");
            let headers = example["headers"].as_object().expect("the example has headers");
            let headers: Vec<(&str, Option<&[u8]>)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str().map(str::as_bytes))).collect();
            let (key, value) = (example["key"].as_str().expect("the example has a key"), example["value"].to_string());
            let value = (value != "null").then_some(value.as_bytes());
            let known = if path.starts_with(StateRecord::TYPE) {
                decode_state(headers, Some(key.as_bytes()), value).map(|it| matches!(it, Decoded::Event(_)))
            } else {
                decode(headers, Some(key.as_bytes()), value).map(|it| matches!(it, Decoded::Event(_)))
            };
            assert_eq!(known, Ok(true), "{}", path.display());
        }
    }
}

#[test]
fn todays_examples_are_valid_by_the_schema_of_every_release_that_has_the_type() {
    let today = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for release in Release::all() {
        for (name, schema) in release.schemas() {
            for path in entries(&today.join(&name)) {
                let value = read_json(&path)["value"].take();
                // The tombstone of a deleted user has no value.
                let found = if value.is_null() { Vec::new() } else { refusals(&schema, &value) };
                assert!(found.is_empty(), "a consumer of {} refuses {}: {found:?}", release.version, path.display());
            }
        }
    }
}

#[test]
fn a_consumer_of_a_release_refuses_an_event_that_breaks_a_rule() {
    let schema = released_schema("user.password_changed.v1");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/user.password_changed.v1/change.json");
    let mut value = read_json(&example)["value"].clone();
    assert_eq!(refusals(&schema, &value), Vec::<String>::new());
    value["reason"] = "theft".into();
    assert_ne!(refusals(&schema, &value), Vec::<String>::new(), "a new value of a closed set");
}

#[test]
fn every_release_has_a_schema_and_an_example_of_each_of_its_types() {
    for release in Release::all() {
        let types: BTreeSet<String> = release.schemas().into_iter().map(|(name, _)| name).collect();
        let with_example = release.examples().into_iter().map(|(path, _)| path);
        let with_example: BTreeSet<String> =
            with_example.map(|path| file_name(path.parent().expect("examples have a directory"))).collect();
        assert!(!types.is_empty(), "{} has no schemas", release.version);
        assert_eq!(types, with_example, "{}", release.version);
    }
}

#[test]
fn the_next_release_has_every_type_of_both_topics() {
    let next = Release::all().pop().expect("there is a release");
    let recorded: BTreeSet<String> = next.schemas().into_iter().map(|(name, _)| name).collect();
    let events = EventType::ALL.iter().map(|event_type| event_type.as_str());
    let expected: BTreeSet<String> = events.chain([StateRecord::TYPE]).map(str::to_owned).collect();
    assert_eq!(recorded, expected);
}

/// Returns the schema of a type in the first release that has it.
fn released_schema(name: &str) -> Value {
    let mut schemas = Release::all().into_iter().flat_map(|release| release.schemas());
    schemas.find(|(released, _)| released == name).unwrap_or_else(|| panic!("{name} is in no release")).1
}

fn list(found: &[Breach]) -> String {
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
