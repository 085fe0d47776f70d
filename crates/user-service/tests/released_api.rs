//! Tests that the HTTP API of every release is still served: compares `docs/openapi.json` with that of the release.
//! `docs/UPGRADE.md` says how a release is recorded.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Map, Value, json};

/// Members that were removed on purpose. CHANGELOG names them.
const REMOVED: [&str; 1] = ["ExportHead/idempotencyKey"];

/// A made-up change of the API.
type Change = fn(&mut Value);

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("valid JSON")
}

fn todays_document() -> Value {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json"))
}

/// Returns the OpenAPI document of each release, with its directory.
fn released_documents() -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/released");
    let entries =
        fs::read_dir(&root).expect("releases are recorded").map(|entry| entry.expect("a directory entry").path());
    let documents: Vec<_> =
        entries.map(|path| (path.display().to_string(), read(&path.join("api/openapi.json")))).collect();
    assert!(!documents.is_empty(), "{} has no release", root.display());
    documents
}

fn members(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn required(schema: &Value) -> BTreeSet<&str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Returns the schema without its texts, which may change.
fn without_texts(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let kept = members
                .iter()
                .filter(|(name, _)| !["description", "title", "example", "examples"].contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name.clone(), without_texts(value))).collect())
        }
        Value::Array(values) => Value::Array(values.iter().map(without_texts).collect()),
        other => other.clone(),
    }
}

/// Returns each rule that today's document breaks, with the place.
fn breaches(released: &Value, today: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut request_schemas = BTreeSet::new();
    for (path, methods) in members(&released["paths"]) {
        for (method, operation) in members(&methods) {
            let (name, now) = (format!("{method} {path}"), &today["paths"][&path][&method]);
            if now.is_null() {
                found.push(format!("{name}: an endpoint is not removed"));
                continue;
            }
            if now["operationId"] != operation["operationId"] {
                found.push(format!("{name}: an operation keeps its id, because generated clients are named after it"));
            }
            for status in members(&operation["responses"]).keys().filter(|status| now["responses"][status].is_null()) {
                found.push(format!("{name} {status}: a response is not removed"));
            }
            let body = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            request_schemas
                .extend(body.as_str().map(|schema| schema.rsplit('/').next().unwrap_or_default().to_owned()));
        }
    }
    for (name, schema) in members(&released["components"]["schemas"]) {
        let now = &today["components"]["schemas"][&name];
        for (member, shape) in members(&schema["properties"]) {
            let (place, now) = (format!("{name}/{member}"), &now["properties"][&member]);
            if now.is_null() {
                if !REMOVED.contains(&place.as_str()) {
                    found.push(format!("{place}: a member is not removed or renamed"));
                }
            } else if without_texts(now) != without_texts(&shape) {
                found.push(format!("{place}: a member keeps its type and bounds"));
            }
        }
        if request_schemas.contains(&name) {
            for member in required(now).difference(&required(&schema)) {
                found.push(format!("{name}/{member}: no member of a request becomes required"));
            }
        }
    }
    found
}

#[test]
fn todays_api_serves_the_clients_of_every_release() {
    for (release, released) in released_documents() {
        let found = breaches(&released, &todays_document());
        assert!(found.is_empty(), "{release}:\n{}", found.join("\n"));
    }
}

#[test]
fn a_change_that_breaks_a_client_is_caught_with_its_rule() {
    let (_, released) = released_documents().remove(0);
    let changes: [(Change, &str); 6] = [
        (
            |api| drop(api["paths"].as_object_mut().map(|it| it.remove("/api/auth/login"))),
            "post /api/auth/login: an endpoint is not removed",
        ),
        (
            |api| api["paths"]["/api/auth/login"]["post"]["operationId"] = json!("signIn"),
            "post /api/auth/login: an operation keeps its id",
        ),
        (
            |api| drop(api["paths"]["/api/users"]["post"]["responses"].as_object_mut().map(|it| it.remove("201"))),
            "post /api/users 201: a response is not removed",
        ),
        (
            |api| {
                drop(
                    api["components"]["schemas"]["AccountDeletion"]["properties"]
                        .as_object_mut()
                        .map(|it| it.remove("password")),
                );
            },
            "AccountDeletion/password: a member is not removed or renamed",
        ),
        (
            |api| {
                api["components"]["schemas"]["AccountDeletion"]["properties"]["password"] =
                    json!({ "type": "integer" });
            },
            "AccountDeletion/password: a member keeps its type and bounds",
        ),
        (
            |api| api["components"]["schemas"]["AccountDeletion"]["required"] = json!(["password", "reason"]),
            "AccountDeletion/reason: no member of a request becomes required",
        ),
    ];
    for (change, expected) in changes {
        let mut today = released.clone();
        change(&mut today);
        let found = breaches(&released, &today);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{expected}: {found:?}");
    }
}
