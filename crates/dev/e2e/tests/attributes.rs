//! Attributes that match the operator's schema, at registration, in the profile and by an administrator, and
//! attributes that only administrators can write.

use e2e::{
    administrators::grant_admin,
    commands::{assert_start_refused, stdout_of},
};
use std::{fs, path::Path};
use test_support::{Api, ApiResponse, Service, Stack, World};

use reqwest::{Method, header::IF_MATCH};
use serde_json::{Value, json};

fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "team": { "type": "string", "pattern": "^[a-z]{2,20}$" },
            "languages": { "type": "array", "items": { "type": "string" }, "maxItems": 3 },
            "plan": { "enum": ["free", "pro"], "x-admin-only": true },
            "billing": {
                "type": "object",
                "properties": {
                    "country": { "type": "string", "minLength": 2, "maxLength": 2 },
                    "limit": { "type": "integer", "minimum": 0, "x-admin-only": true }
                }
            }
        },
        "required": ["team"],
        "additionalProperties": false
    })
}

fn write_file(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, text).expect("the schema can be written");
    path.display().to_string()
}

/// Returns pointer and code of each error.
fn errors(answer: ApiResponse) -> Vec<(String, String)> {
    answer.expect_problem(422, "validation-failed").errors()
}

fn expected(mistakes: &[(&str, &str)]) -> Vec<(String, String)> {
    mistakes.iter().map(|(place, code)| ((*place).to_owned(), (*code).to_owned())).collect()
}

async fn register_admin(world: &World, service: &Service, api: &Api) -> Api {
    let user = world.test_user("admin");
    let registration = user.registration_with("attributes", json!({ "team": "ops" }));
    let _ = api.post("/api/users", &registration).await.expect(201);
    grant_admin(service, &user.email).await;
    api.logged_in_as(&user).await
}

#[tokio::test]
async fn attributes_match_the_schema_in_every_request_that_writes_them() {
    let world = World::new(&Stack::from_env(), "attrs").await;
    let directory = tempfile::tempdir().expect("a directory can be created");
    let file = write_file(directory.path(), "attributes.json", &schema().to_string());
    let service = world.user_service().set("ATTRIBUTES__SCHEMA_FILE", file).start().await;
    let api = service.api();
    let ada = world.test_user("ada");

    for (attributes, wrong) in [
        (json!({}), &[("#/attributes/team", "missing")][..]),
        (json!({ "team": "A Team" }), &[("#/attributes/team", "invalid")]),
        (
            json!({ "languages": ["en", 7], "billing": { "country": "Britain" }, "a/b": 1 }),
            &[
                ("#/attributes/a~1b", "unknown"),
                ("#/attributes/billing/country", "out-of-range"),
                ("#/attributes/languages/1", "wrong-type"),
                ("#/attributes/team", "missing"),
            ],
        ),
        (
            json!({ "team": "core", "plan": "pro", "billing": { "limit": null } }),
            &[("#/attributes/billing/limit", "admin-only"), ("#/attributes/plan", "admin-only")],
        ),
    ] {
        let answer = api.post("/api/users", &ada.registration_with("attributes", attributes)).await;
        assert!(!answer.text.contains("A Team") && !answer.text.contains("Britain"), "{}", answer.text);
        assert_eq!(errors(answer), expected(wrong));
    }
    // Absent attributes are validated as an empty object.
    assert_eq!(errors(api.register(&ada).await), expected(&[("#/attributes/team", "missing")]));
    // All syntax errors are reported first; errors that take work to find are reported together after them.
    let mut several = json!({ "username": "x", "email": "y", "password": "password", "attributes": { "team": 1 } });
    let syntax = [("#/username", "too-short"), ("#/email", "not-an-address")];
    assert_eq!(errors(api.post("/api/users", &several).await), expected(&syntax));
    (several["username"], several["email"]) = (json!(ada.username), json!(ada.email));
    let rules = [("#/password", "common"), ("#/attributes/team", "wrong-type")];
    assert_eq!(errors(api.post("/api/users", &several).await), expected(&rules));

    let own = json!({ "team": "core", "billing": { "country": "GB" } });
    let id = api.post("/api/users", &ada.registration_with("attributes", own.clone())).await.expect(201).string("id");
    let me = api.logged_in_as(&ada).await;
    let patch = async |attributes: Value| me.patch("/api/users/me", &json!({ "attributes": attributes })).await;
    assert_eq!(errors(patch(json!({ "team": null })).await), expected(&[("#/attributes/team", "missing")]));
    assert_eq!(errors(patch(json!({ "plan": "pro" })).await), expected(&[("#/attributes/plan", "admin-only")]));
    assert_eq!(errors(patch(Value::Null).await), expected(&[("#/attributes/team", "missing")]));
    let seen = me.get("/api/users/me").await.expect(200);
    assert_eq!(seen.json()["attributes"], own, "a refused request changes nothing");

    let admin = register_admin(&world, &service, &api).await;
    let path = format!("/api/admin/users/{id}");
    let refused = admin.patch(&path, &json!({ "attributes": { "plan": "gold" } })).await;
    assert_eq!(errors(refused), expected(&[("#/attributes/plan", "invalid")]));
    let change = json!({ "attributes": { "plan": "pro", "billing": { "limit": 7 } } });
    let changed = admin.patch(&path, &change).await.expect(200);
    let all = json!({ "team": "core", "plan": "pro", "billing": { "country": "GB", "limit": 7 } });
    assert_eq!(changed.json()["attributes"], all);

    // The user changes the other attributes and cannot remove the ones that only administrators write.
    let without = patch(json!({ "billing": null, "team": "web" })).await.expect(200);
    assert_eq!(without.json()["attributes"], json!({ "team": "web", "plan": "pro", "billing": { "limit": 7 } }));
    let way = patch(json!({ "billing": [] })).await;
    assert_eq!(errors(way), expected(&[("#/attributes/billing", "admin-only")]));
    // Other members can be changed even if the attributes no longer match the schema.
    let _ = me.patch("/api/users/me", &json!({ "displayName": "Ada" })).await.expect(200);
}

#[tokio::test]
async fn a_user_who_removes_all_attributes_keeps_the_admin_only_ones() {
    let world = World::new(&Stack::from_env(), "attrnull").await;
    let directory = tempfile::tempdir().expect("a directory can be created");
    let text = json!({ "properties": { "plan": { "type": "string", "x-admin-only": true } } }).to_string();
    let file = write_file(directory.path(), "attributes.json", &text);
    let service = world.user_service().set("ATTRIBUTES__SCHEMA_FILE", file).start().await;
    let api = service.api();
    let admin = register_admin(&world, &service, &api).await;
    let ada = world.test_user("ada");
    let id = api
        .post("/api/users", &ada.registration_with("attributes", json!({ "free": 1 })))
        .await
        .expect(201)
        .string("id");
    let path = format!("/api/admin/users/{id}");
    let _ = admin.patch(&path, &json!({ "attributes": { "plan": "pro" } })).await.expect(200);

    let me = api.logged_in_as(&ada).await;
    let clear = json!({ "attributes": null });
    let cleared = me.patch("/api/users/me", &clear).await.expect(200);
    assert_eq!(cleared.json()["attributes"], json!({ "plan": "pro" }));
    let again = me.request(Method::PATCH, "/api/users/me").header(IF_MATCH, cleared.header("etag")).json(&clear);
    let again = me.send(again).await.expect(200);
    assert_eq!(again.header("etag"), cleared.header("etag"), "nothing changed");
    let cleared = admin.patch(&path, &clear).await.expect(200);
    assert_eq!(cleared.json()["attributes"], Value::Null);
}

#[tokio::test]
async fn an_unusable_schema_prevents_the_start() {
    let world = World::without_topic(&Stack::from_env(), "schema");
    let directory = tempfile::tempdir().expect("a directory can be created");
    for (name, text, part) in [
        ("no-json", "{", "not JSON"),
        ("no-schema", r#"{"type": "objekt"}"#, "cannot be used"),
        ("remote", r#"{"$ref": "http://127.0.0.1:9/schema.json"}"#, "cannot be used"),
        ("file", r#"{"$ref": "file:///etc/passwd"}"#, "cannot be used"),
        ("pattern", r#"{"properties": {"a": {"pattern": "(a+)+\\1"}}}"#, "cannot be used"),
        ("mark", r#"{"items": {"x-admin-only": true}}"#, "no effect"),
    ] {
        let file = write_file(directory.path(), name, text);
        let spec = world.user_service().set("ATTRIBUTES__SCHEMA_FILE", file);
        assert_start_refused(&spec, &["attributes.schema_file", part]).await;
    }
    let missing = world.user_service().set("ATTRIBUTES__SCHEMA_FILE", "/nowhere.json").command(&["check-config"]).await;
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nowhere.json cannot be read"));
    let file = write_file(directory.path(), "good", &schema().to_string());
    let good = world.user_service().set("ATTRIBUTES__SCHEMA_FILE", file).command(&["check-config"]).await;
    let _ = stdout_of(&good, 0);
}
