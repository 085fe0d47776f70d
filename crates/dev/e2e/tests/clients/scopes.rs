//! Scopes: each endpoint accepts its scope and no other, no endpoint of users accepts a client, and no scope reaches an
//! account that has a role.

use e2e::{
    accounts::{register_with_id, user_document_by_id},
    administrators::{Admin, create_admin},
    clients::TestClient,
    start::start_user_service,
};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::Api;

const ALL_SCOPES: [&str; 7] =
    ["users:read", "users:create", "users:write", "users:disable", "users:invite", "sessions:end", "tokens:introspect"];

async fn send(api: &Api, method: &str, path: &str, body: Option<&Value>) -> test_support::ApiResponse {
    let request = api.request(method.parse().expect("the method is valid"), path);
    api.send(match body {
        Some(body) => request.json(body),
        None => request,
    })
    .await
}

#[tokio::test]
async fn each_endpoint_accepts_its_scope_and_no_other() {
    let (world, service, api) = start_user_service("scopes").await;
    let admin = create_admin(&world, &service, "admin").await;
    let (_, id) = register_with_id(&world, &api, "ada").await;
    let invitation = json!({ "email": world.address("invited"), "invite": true });
    let invited = admin.api.post("/api/admin/users", &invitation).await.expect(201).string("id");
    let requests = [
        ("GET", "/api/admin/users".to_owned(), None, "users:read", 200),
        ("GET", Admin::user_path(&id, ""), None, "users:read", 200),
        ("PATCH", Admin::user_path(&id, ""), Some(json!({ "displayName": "Ada" })), "users:write", 200),
        ("POST", Admin::user_path(&id, "/logout"), None, "sessions:end", 204),
        ("POST", Admin::user_path(&id, "/disable"), None, "users:disable", 204),
        ("POST", Admin::user_path(&id, "/enable"), None, "users:disable", 204),
        ("POST", Admin::user_path(&invited, "/resend-invitation"), None, "users:invite", 204),
    ];
    for scope in ALL_SCOPES {
        let client = TestClient::create(&admin, &[scope]).await.with_token(&api).await;
        for (method, path, body, required, status) in &requests {
            let response = send(&client, method, path, body.as_ref()).await;
            if scope == *required {
                let _ = response.expect(*status);
                continue;
            }
            let refused = response.expect_problem(403, "insufficient-scope");
            let challenge = format!(r#"Bearer realm="user-service", error="insufficient_scope", scope="{required}""#);
            assert_eq!(refused.header("www-authenticate"), challenge, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_client_creates_and_invites_only_with_the_scope_for_each() {
    let (world, service, api) = start_user_service("clientcreates").await;
    let admin = create_admin(&world, &service, "admin").await;
    let with_password = world.test_user("created").registration();
    let invitation = json!({ "email": world.address("invited"), "invite": true });
    for scope in ALL_SCOPES {
        let client = TestClient::create(&admin, &[scope]).await.with_token(&api).await;
        for (body, required) in [(&with_password, "users:create"), (&invitation, "users:invite")] {
            let response = client.post("/api/admin/users", body).await;
            if scope == required {
                let made = response.expect(201);
                assert_eq!((&made.json()["roles"], &made.json()["emailVerified"]), (&json!([]), &json!(false)));
                continue;
            }
            let refused = response.expect_problem(403, "insufficient-scope");
            assert!(refused.header("www-authenticate").contains(required), "{refused:?}");
        }
    }
    let roles = json!({ "email": world.address("more"), "invite": true, "roles": ["admin"] });
    let client = TestClient::create(&admin, &ALL_SCOPES).await.with_token(&api).await;
    let _ = client.post("/api/admin/users", &roles).await.expect_problem(422, "validation-failed");
}

#[tokio::test]
async fn no_endpoint_for_users_or_administrators_accepts_a_client() {
    let (world, service, api) = start_user_service("clientasuser").await;
    let admin = create_admin(&world, &service, "admin").await;
    let (_, id) = register_with_id(&world, &api, "ada").await;
    let client = TestClient::create(&admin, &ALL_SCOPES).await.with_token(&api).await;
    let document = api.get("/api/openapi.json").await.expect(200).json();
    let (mut refused, mut accepted) = (0, 0);
    for (path, methods) in document["paths"].as_object().expect("there are paths") {
        for (method, operation) in methods.as_object().expect("there are methods") {
            if operation["security"] != json!([{ "bearer": [] }]) {
                continue;
            }
            let method: Method = method.to_uppercase().parse().expect("the method is valid");
            let path = path.replace("{id}", &id);
            let forbidden = operation["responses"]["403"]["description"].as_str().unwrap_or_default();
            let response = api.send(client.request(method.clone(), &path)).await;
            if forbidden.contains("insufficient-scope") {
                assert!(response.status != 401 && response.status != 403, "{method} {path}: {}", response.text);
                accepted += 1;
            } else {
                assert_eq!(response.expect_problem(401, "unauthorized").header("etag"), "", "{method} {path}");
                refused += 1;
            }
        }
    }
    assert!(refused > 20 && accepted >= 8, "{refused} {accepted}");
}

#[tokio::test]
async fn no_scope_changes_an_account_that_has_a_role() {
    let (world, service, api) = start_user_service("clientroles").await;
    let admin = create_admin(&world, &service, "admin").await;
    let (_, id) = register_with_id(&world, &api, "ada").await;
    let client = TestClient::create(&admin, &ALL_SCOPES).await.with_token(&api).await;
    let change = json!({ "displayName": "Mallory" });
    assert_eq!(admin.set_roles(&id, &["writer"]).await, 200);
    for target in [&id, &admin.id] {
        let before = user_document_by_id(&world, target).await;
        for (method, below, body) in [
            ("PATCH", "", Some(&change)),
            ("POST", "/disable", None),
            ("POST", "/enable", None),
            ("POST", "/logout", None),
        ] {
            let response = send(&client, method, &Admin::user_path(target, below), body).await;
            let _ = response.expect_problem(403, "forbidden");
        }
        assert_eq!(user_document_by_id(&world, target).await.get("version"), before.get("version"));
        let _ = client.get(&Admin::user_path(target, "")).await.expect(200);
    }
    assert_eq!(admin.set_roles(&id, &[]).await, 200);
    assert_eq!(client.patch(&Admin::user_path(&id, ""), &change).await.expect(200).string("displayName"), "Mallory");
}

#[tokio::test]
async fn no_scope_changes_roles_or_the_verification_of_an_address() {
    let (world, service, api) = start_user_service("clientgrants").await;
    let admin = create_admin(&world, &service, "admin").await;
    let (_, id) = register_with_id(&world, &api, "ada").await;
    let client = TestClient::create(&admin, &ALL_SCOPES).await.with_token(&api).await;
    let path = Admin::user_path(&id, "");
    for roles in [json!(["admin"]), json!([]), Value::Null] {
        let body = json!({ "displayName": "Mallory", "roles": roles });
        let _ = client.patch(&path, &body).await.expect_problem(403, "forbidden");
    }
    let _ = client.patch(&path, &json!({ "emailVerified": true })).await.expect_problem(422, "validation-failed");
    let user = client.get(&path).await.expect(200).json();
    assert_eq!(
        (&user["roles"], &user["emailVerified"], &user["displayName"]),
        (&json!([]), &json!(false), &Value::Null)
    );
}
