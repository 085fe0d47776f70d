//! Tests that the HTTP API of every release is still served: compares `docs/openapi.json` with that of the release.
//! `docs/UPGRADE.md` says how a release is recorded.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::{Map, Value, json};

/// Members that were removed on purpose. CHANGELOG names them.
const REMOVED: [&str; 1] = ["ExportHead/idempotencyKey"];

/// Members that were once in every response, and are not in those that an operator or a client has asked for: RSA keys
/// have no curve, and in cookie mode the refresh token is in the cookie.
/// CHANGELOG names them.
const OPTIONAL: [&str; 3] = ["Jwk/crv", "Jwk/x", "SignedIn/refreshToken"];

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

/// Adds the names of all schemas that the value refers to, directly or through other schemas.
fn add_references(value: &Value, schemas: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str);
            if let Some(name) = reference.and_then(|it| it.strip_prefix("#/components/schemas/"))
                && names.insert(name.to_owned())
            {
                add_references(&schemas[name], schemas, names);
            }
            members.values().for_each(|member| add_references(member, schemas, names));
        }
        Value::Array(values) => values.iter().for_each(|member| add_references(member, schemas, names)),
        _ => {}
    }
}

/// Returns the parameters of an operation by their place and name.
fn parameters(operation: &Value) -> BTreeMap<String, &Value> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let text = |parameter: &Value, member: &str| parameter[member].as_str().unwrap_or_default().to_owned();
    parameters.map(|it| (format!("{} {}", text(it, "in"), text(it, "name")), it)).collect()
}

/// Returns each rule that today's document breaks, with the place.
fn breaches(released: &Value, today: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let (mut of_requests, mut of_responses) = (BTreeSet::new(), BTreeSet::new());
    let schemas = &released["components"]["schemas"];
    for (path, methods) in members(&released["paths"]) {
        for (method, operation) in members(&methods) {
            let (name, now) = (format!("{method} {path}"), &today["paths"][&path][&method]);
            if now.is_null() {
                found.push(format!("{name}: an endpoint is not removed"));
                continue;
            }
            compare_operation(&name, &operation, now, &mut found);
            add_references(&operation["requestBody"], schemas, &mut of_requests);
            add_references(&operation["responses"], schemas, &mut of_responses);
        }
    }
    for (name, schema) in members(schemas) {
        let now = &today["components"]["schemas"][&name];
        compare_schema(&name, &schema, now, &mut found);
        if of_requests.contains(&name) {
            for member in required(now).difference(&required(&schema)) {
                found.push(format!("{name}/{member}: no member of a request becomes required"));
            }
        }
        if of_responses.contains(&name) {
            // A member that is no longer there breaks its own rule.
            for member in required(&schema).difference(&required(now)).filter(|it| !now["properties"][it].is_null()) {
                let place = format!("{name}/{member}");
                if !OPTIONAL.contains(&place.as_str()) {
                    found.push(format!("{place}: a member that every response has stays in every response"));
                }
            }
        }
    }
    found
}

fn compare_operation(name: &str, released: &Value, today: &Value, found: &mut Vec<String>) {
    if today["operationId"] != released["operationId"] {
        found.push(format!("{name}: an operation keeps its id, because generated clients are named after it"));
    }
    for status in members(&released["responses"]).keys().filter(|status| today["responses"][status].is_null()) {
        found.push(format!("{name} {status}: a response is not removed"));
    }
    let (before, now) = (parameters(released), parameters(today));
    for (place, parameter) in &before {
        match now.get(place) {
            None => found.push(format!("{name} {place}: a parameter is not removed or renamed")),
            Some(it) if without_texts(&it["schema"]) != without_texts(&parameter["schema"]) => {
                found.push(format!("{name} {place}: a parameter keeps its type and bounds"));
            }
            Some(_) => {}
        }
    }
    let is_required = |parameter: Option<&&Value>| parameter.is_some_and(|it| it["required"] == true);
    for place in now.keys().filter(|it| is_required(now.get(*it)) && !is_required(before.get(*it))) {
        found.push(format!("{name} {place}: no parameter becomes required"));
    }
}

fn compare_schema(name: &str, released: &Value, today: &Value, found: &mut Vec<String>) {
    // A set of values, or a combination of schemas.
    if released["properties"].is_null() && without_texts(released) != without_texts(today) {
        found.push(format!("{name}: a schema keeps its type, values and bounds"));
    }
    for (member, shape) in members(&released["properties"]) {
        let (place, now) = (format!("{name}/{member}"), &today["properties"][&member]);
        if now.is_null() {
            if !REMOVED.contains(&place.as_str()) {
                found.push(format!("{place}: a member is not removed or renamed"));
            }
        } else if without_texts(now) != without_texts(&shape) {
            found.push(format!("{place}: a member keeps its type and bounds"));
        }
    }
}

/// The parameters of the list of users.
fn list_parameters(api: &mut Value) -> &mut Vec<Value> {
    api["paths"]["/api/admin/users"]["get"]["parameters"].as_array_mut().expect("the operation has parameters")
}

fn required_members<'a>(api: &'a mut Value, schema: &str) -> &'a mut Vec<Value> {
    api["components"]["schemas"][schema]["required"].as_array_mut().expect("the schema requires members")
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
    let changes: [(Change, &str); 13] = [
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
        (
            |api| required_members(api, "User").retain(|it| it != "username"),
            "User/username: a member that every response has stays in every response",
        ),
        (
            |api| api["components"]["schemas"]["Role"] = json!({ "type": "string", "enum": ["admin"] }),
            "Role: a schema keeps its type, values and bounds",
        ),
        (
            |api| drop(api["components"]["schemas"].as_object_mut().map(|it| it.remove("Location"))),
            "Location: a schema keeps its type, values and bounds",
        ),
        (
            |api| drop(list_parameters(api).remove(0)),
            "get /api/admin/users query query: a parameter is not removed or renamed",
        ),
        (
            |api| list_parameters(api)[2]["schema"]["maximum"] = json!(5),
            "get /api/admin/users query limit: a parameter keeps its type and bounds",
        ),
        (
            |api| list_parameters(api)[2]["required"] = json!(true),
            "get /api/admin/users query limit: no parameter becomes required",
        ),
        (
            |api| list_parameters(api).push(json!({ "in": "query", "name": "tenant", "required": true })),
            "get /api/admin/users query tenant: no parameter becomes required",
        ),
    ];
    for (change, expected) in changes {
        let mut today = released.clone();
        change(&mut today);
        let found = breaches(&released, &today);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{expected}: {found:?}");
    }
}
