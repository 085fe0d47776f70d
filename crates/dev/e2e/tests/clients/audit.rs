//! The audit log of what clients do, and of what is done to clients.

use bson::doc;
use e2e::{
    accounts::{register_and_log_in, wait_until_all_published},
    administrators::{Admin, create_admin},
    clients::TestClient,
    start::start_user_service,
};
use reqwest::header::USER_AGENT;
use serde_json::{Value, json};
use test_support::{Api, find_all};

async fn entries(api: &Api, path: &str, kind: &str) -> Vec<Value> {
    let log = api.get(path).await.expect(200).json();
    let items = log["items"].as_array().cloned().expect("a log has items");
    items.into_iter().filter(|entry| entry["type"].as_str().is_some_and(|found| found.starts_with(kind))).collect()
}

#[tokio::test]
async fn what_a_client_does_to_an_account_is_in_its_audit_log_with_the_client_as_the_actor() {
    let (world, service, api) = start_user_service("clientaudit").await;
    let admin = create_admin(&world, &service, "admin").await;
    let (_, me) = register_and_log_in(&world, &api, "ada").await;
    let id = me.get("/api/users/me").await.expect(200).string("id");
    let client = TestClient::create(&admin, &["users:write"]).await;
    let program = client.with_token(&api).await;
    let change = program.request("PATCH".parse().expect("a method"), &Admin::user_path(&id, ""));
    let change = change.header(USER_AGENT, "Billing/1.0").json(&json!({ "displayName": "Ada" }));
    let _ = api.send(change).await.expect(200);
    let of_admin = Admin::user_path(&id, "/audit");
    for published in [false, true] {
        if published {
            wait_until_all_published(&world).await;
        }
        let seen = entries(&admin.api, &of_admin, "user.profile_updated").await;
        let own = entries(&me, "/api/users/me/audit", "user.profile_updated").await;
        let export = me.get("/api/users/me/export").await.expect(200).json();
        assert_eq!((seen.len(), own.len()), (1, 1));
        for entry in [&seen[0], &own[0]] {
            assert_eq!((&entry["actor"], &entry["actorId"]), (&json!("client"), &json!(client.id)));
        }
        assert_eq!((&seen[0]["client"], &seen[0]["address"]), (&json!("Billing/1.0"), &json!("127.0.0.1")));
        // The owner does not see the systems behind this service.
        assert_eq!((&own[0]["client"], &own[0]["address"]), (&Value::Null, &Value::Null));
        assert!(!export.to_string().contains("Billing/1.0"), "{export}");
    }
}

#[tokio::test]
async fn what_an_administrator_does_to_a_client_is_in_the_log_of_the_administrator() {
    let (world, service, _api) = start_user_service("clientadminaudit").await;
    let admin = create_admin(&world, &service, "admin").await;
    let client = TestClient::create(&admin, &["users:write"]).await;
    // The second request of each kind changes nothing.
    for action in ["rotate-secret", "drop-old-secret", "drop-old-secret", "disable", "disable", "enable", "enable"] {
        let _ = admin.api.post(&client.path(&format!("/{action}")), &json!({})).await.expect(200);
    }
    let log = entries(&admin.api, "/api/users/me/audit", "client_").await;
    let kinds: Vec<_> = log.iter().rev().filter_map(|entry| entry["type"].as_str()).collect();
    let expected =
        ["client_created", "client_secret_rotated", "client_old_secret_dropped", "client_disabled", "client_enabled"];
    assert_eq!(kinds, expected);
    for entry in &log {
        assert_eq!((&entry["actor"], &entry["targetId"]), (&json!("self"), &json!(client.id)));
        assert_eq!(entry["address"], "127.0.0.1");
    }
    // The document of the client has nothing of the administrator.
    let stored = find_all(&world.user_collection("clients").await, doc! {}).await;
    let text = format!("{stored:?}");
    assert_eq!(stored.len(), 1);
    assert!(!text.contains(&admin.id) && !text.contains(&client.secret), "{text}");
}

/// The client stays, so who made it must not be forgotten with the administrator's audit log.
#[tokio::test]
async fn a_client_of_an_administrator_whose_account_was_deleted_is_still_in_the_log_of_the_service() {
    let (world, service, api) = start_user_service("clientleft").await;
    let (admin, other) = (create_admin(&world, &service, "admin").await, create_admin(&world, &service, "other").await);
    let client = TestClient::create(&admin, &["users:read"]).await;
    let _ = other.api.delete(&Admin::user_path(&admin.id, ""), None).await.expect(204);
    let _ = client.request_token(&api).await.expect(200);
    let log = service.log();
    let line = log.lines().find(|line| line.contains("client_created") && line.contains(&client.id));
    let line = line.unwrap_or_else(|| panic!("no line of {}", client.id));
    assert!(line.contains("a client was changed") && line.contains(&admin.id), "{line}");
    assert!(!log.contains(&client.secret), "the log has the secret");
}
