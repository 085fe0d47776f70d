//! The removal of a second factor by an administrator or an operator.

use bson::Uuid;
use e2e::{
    accounts::user_document,
    administrators::{Admin, create_admin},
    start::start_both_services,
};
use serde_json::{Value, json};
use test_support::{Api, DEADLINE, Record, wait_for};

use crate::requests::{OFF_SUBJECT, totp_status, user_with_totp};

/// Returns the entries of a type in the audit log at `path`.
async fn audit_entries(reader: &Api, path: &str, event_type: &str) -> Vec<Value> {
    let page = reader.get(&format!("{path}?limit=100")).await.expect(200).json();
    let all = page["items"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|entry| entry["type"] == event_type).collect()
}

const REASON: &str = "lost phone and codes, identity checked, ticket 4711";

#[tokio::test]
async fn an_administrator_removes_the_second_factor_of_a_user_who_cannot() {
    let (world, users, _emails, api) = start_both_services("adminfactor").await;
    let (ada, me, ..) = user_with_totp(&world, &api, "ada").await;
    let id = me.get("/api/users/me").await.expect(200).string("id");
    let root = create_admin(&world, &users, "root").await;
    let path = Admin::user_path(&id, "/remove-second-factor");
    let body = json!({ "reason": format!("  {REASON} ") });

    let _ = api.post(&path, &body).await.expect_problem(401, "unauthorized");
    let _ = me.post(&path, &body).await.expect_problem(403, "forbidden");
    for refused in
        [json!({}), json!({ "reason": " " }), json!({ "reason": "x".repeat(501) }), json!({ "reason": "a\nb" })]
    {
        let answer = root.api.post(&path, &refused).await.expect_problem(422, "validation-failed");
        assert_eq!(answer.json()["errors"][0]["pointer"], "#/reason", "{}", answer.text);
    }
    let root_path = Admin::user_path(&root.id, "/remove-second-factor");
    let _ = root.api.post(&root_path, &body).await.expect_problem(409, "conflict");
    let unknown = Admin::user_path(&Uuid::from_bytes([7; 16]).to_string(), "/remove-second-factor");
    let _ = root.api.post(&unknown, &body).await.expect_problem(404, "not-found");
    assert_eq!(totp_status(&me).await["enabled"], true, "a refused request changes nothing");

    let _ = root.api.post(&path, &body).await.expect(204);
    let _ = root.api.post(&path, &body).await.expect_problem(409, "conflict");
    // The sessions have ended, and the password alone is enough to log in.
    let _ = me.get("/api/users/me").await.expect_problem(401, "unauthorized");
    let me = api.logged_in_as(&ada).await;
    assert_eq!(totp_status(&me).await["enabled"], false);
    let stored = user_document(&world, &ada.email).await;
    assert!(stored.get("totp").is_none() && stored.get("totpSetup").is_none(), "{stored}");

    let mut topic = world.topic_reader();
    let off = topic.read_type("user.totp_disabled.v1", 1).await.remove(0).json();
    assert_eq!(
        (&off["userId"], &off["by"], &off["recipient"]["email"]),
        (&json!(id), &json!("admin"), &json!(ada.email))
    );
    let ended = topic.read_type("user.sessions_ended.v1", 1).await.remove(0).json();
    assert_eq!(ended, json!({ "userId": id, "reason": "admin" }));
    world.mailbox(&ada.email).wait_for_subject(OFF_SUBJECT).await;
    // Both audit logs contain the administrator and the reason; the topic and the service's log do not contain the
    // reason.
    let own = audit_entries(&me, "/api/users/me/audit", "user.totp_disabled.v1").await.remove(0);
    assert_eq!((&own["actor"], &own["actorId"], &own["reason"]), (&json!("admin"), &json!(root.id), &json!(REASON)));
    assert_eq!(own["address"], Value::Null);
    let admin_entry = wait_for(DEADLINE, "the entry of the administrator", async || {
        audit_entries(&root.api, "/api/users/me/audit", "user.totp_disabled.v1").await.pop()
    })
    .await;
    assert_eq!((&admin_entry["targetId"], &admin_entry["reason"]), (&json!(id), &json!(REASON)));
    assert!(topic.read_all().await.iter().all(|record| !record.contains(REASON.as_bytes())));
    assert!(!users.log().contains(REASON));
}

#[tokio::test]
async fn an_operator_removes_a_second_factor_by_a_command_that_asks_for_the_reason() {
    let (world, users, _emails, api) = start_both_services("opfactor").await;
    let (ada, me, ..) = user_with_totp(&world, &api, "ada").await;
    let (eve, eve_client, ..) = user_with_totp(&world, &api, "eve").await;
    let eve_id = eve_client.get("/api/users/me").await.expect(200).string("id");
    let id = me.get("/api/users/me").await.expect(200).string("id");
    let unknown = world.address("unknown");
    let shouted = ada.email.to_uppercase();
    let command = |account| ["users", "remove-second-factor", account, "--reason", REASON];
    for (arguments, code) in [
        (&["users", "remove-second-factor", ada.email.as_str()][..], 2),
        (&["users", "remove-second-factor", &ada.email, "--reason", " "], 2),
        (&command("not an address"), 2),
        (&command(&unknown), 1),
        (&command("018f2f3e-7c4b-4f5a-8d3e-000000000001"), 1),
        (&command(&shouted), 0),
        (&command(&ada.email), 1),
        (&command(&eve_id), 0),
    ] {
        let done = users.spec().command(arguments).await;
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert_eq!(done.status.code(), Some(code), "{arguments:?}: {out}{err}");
        assert!(!out.contains(&ada.email) && !out.contains(REASON), "{out}");
    }
    for (user, client) in [(&ada, &me), (&eve, &eve_client)] {
        let _ = client.get("/api/users/me").await.expect_problem(401, "unauthorized");
        api.login(user).await;
    }
    let off = world.topic_reader().read_type("user.totp_disabled.v1", 2).await;
    let off = off.iter().map(Record::json).find(|off| off["userId"] == id).expect("there is an event of Ada");
    assert_eq!((&off["by"], &off["recipient"]["email"]), (&json!("operator"), &json!(ada.email)));
    let me = api.logged_in_as(&ada).await;
    let entry = audit_entries(&me, "/api/users/me/audit", "user.totp_disabled.v1").await.remove(0);
    assert_eq!(
        (&entry["actor"], &entry["actorId"], &entry["reason"]),
        (&json!("operator"), &Value::Null, &json!(REASON))
    );
}
