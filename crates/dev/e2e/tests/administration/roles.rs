//! The role `admin`: how it is given, and what it allows.

use bson::doc;
use e2e::{
    accounts::{parse_uuid, register_with_id},
    administrators::{Admin, create_admin},
    start::{start_user_service, start_user_service_with},
};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Api, Record, Tokens};

use crate::audit_rows::{roles_claim, text, wait_for_audit_rows};

#[tokio::test]
async fn the_first_administrator_is_appointed_by_a_command() {
    let (world, service, api) =
        start_user_service_with("grant", &[("RELAY__SWEEP_MIN_AGE", "0s"), ("RELAY__SWEEP_INTERVAL", "100ms")]).await;
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    let tokens = api.login(&ada).await;
    let me = api.with_token(&tokens.access);
    let _ = me.get("/api/admin/users").await.expect_problem(403, "forbidden");

    let unknown = world.address("unknown");
    for (arguments, code) in [
        (&["grant-role", unknown.as_str(), "admin"][..], 1),
        (&["grant-role", &ada.email, "Admin"], 2),
        (&["grant-role", "not an address", "admin"], 2),
        (&["grant-role", &ada.email], 2),
        (&["grant-role"], 2),
        (&["grant-role", &ada.email.to_uppercase(), "admin"], 0),
        (&["grant-role", &ada.email, "admin"], 0),
        (&["grant-role", &ada.email, "read-only_7", "--json"], 0),
        (&["grant-role", &ada.email, "read-only_7", "--json"], 0),
        (&["grant-role", "--help"], 0),
    ] {
        let done = service.spec().command(arguments).await;
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert_eq!(done.status.code(), Some(code), "{arguments:?}: {out}{err}");
        assert!(!out.contains(&ada.email) && !err.contains(&ada.email), "{out}{err}");
        if arguments.contains(&"--json") {
            let line: Value = serde_json::from_str(out.trim_end()).expect("the output is one JSON object");
            assert_eq!(line["userId"], id);
            assert_eq!(line["roles"], json!(["admin", "read-only_7"]));
        }
    }

    // The stored roles decide, not the roles claim of the token. A new token has the new roles.
    assert_eq!(roles_claim(&tokens.access), json!([]));
    let _ = me.get("/api/admin/users").await.expect(200);
    let refreshed = Tokens::from_response(&api.refresh(&tokens.refresh).await.expect(200));
    assert_eq!(roles_claim(&refreshed.access), json!(["admin", "read-only_7"]));

    let mut topic = world.topic_reader();
    let changes = topic.read_type("user.roles_changed.v1", 2).await;
    let payloads: Vec<Value> = changes.iter().map(Record::json).collect();
    assert_eq!(payloads[0], json!({ "userId": id, "roles": ["admin"], "by": "operator" }));
    assert_eq!(payloads[1], json!({ "userId": id, "roles": ["admin", "read-only_7"], "by": "operator" }));
    let rows = wait_for_audit_rows(&world, &id, "user.roles_changed.v1", 2).await;
    assert_eq!(rows.len(), 2, "granting an existing role is no change: {rows:?}");
    assert!(rows.iter().all(|row| text(row, "actor") == "operator" && !row.contains_key("address")), "{rows:?}");
    let admins = world.user_collection("admins").await;
    let list = admins.find_one(doc! {}).await.expect("admins can be read").expect("the list exists");
    assert_eq!(list.get_array("ids").expect("the list has ids"), &vec![bson::Bson::from(parse_uuid(&id))]);
    assert_eq!(list.get("schemaVersion"), Some(&bson::Bson::Int32(1)));
}

#[tokio::test]
async fn only_administrators_may_administrate() {
    let (world, service, api) = start_user_service("onlyadmins").await;
    let (ada, eve) = (create_admin(&world, &service, "ada").await, create_admin(&world, &service, "eve").await);
    let (bob, bob_id) = register_with_id(&world, &api, "bob").await;
    let bob_client = api.logged_in_as(&bob).await;

    let own = Admin::user_path(&bob_id, "");
    let all: Vec<(Method, String)> = [
        (Method::GET, "/api/admin/users".to_owned()),
        (Method::GET, own.clone()),
        (Method::PATCH, own.clone()),
        (Method::DELETE, own.clone()),
        (Method::GET, format!("{own}/audit")),
    ]
    .into_iter()
    .chain(
        ["/disable", "/enable", "/unlock", "/logout", "/remove-second-factor"]
            .map(|act| (Method::POST, format!("{own}{act}"))),
    )
    .collect();
    for (method, path) in &all {
        let send = |client: &Api| {
            let request = client.request(method.clone(), path);
            let client = client.clone();
            let request = match path.rsplit('/').next() {
                Some("remove-second-factor") => request.json(&json!({ "reason": "asked for" })),
                _ if *method == Method::PATCH => request.json(&json!({ "roles": ["admin"] })),
                _ => request,
            };
            async move { client.send(request).await }
        };
        let _ = send(&api).await.expect_problem(401, "unauthorized");
        let refused = send(&bob_client).await.expect_problem(403, "forbidden");
        assert_eq!(refused.header("cache-control"), "no-store", "{method} {path}");
    }
    let untouched = ada.api.get(&own).await.expect(200).json();
    assert_eq!((&untouched["roles"], &untouched["status"]), (&json!([]), &json!("active")));

    // An administrator gets 404 for an invalid or unknown id.
    let unknown = uuid::Uuid::from_u128(7).to_string();
    for id in [unknown.as_str(), "me", "0", "%20", &unknown.replace('-', "")] {
        let path = Admin::user_path(id, "");
        for (method, below) in [
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/disable"),
            ("POST", "/enable"),
            ("POST", "/unlock"),
            ("POST", "/logout"),
        ] {
            let method = Method::from_bytes(method.as_bytes()).expect("the method is valid");
            let request = ada.api.request(method.clone(), &format!("{path}{below}"));
            let request = if method == Method::PATCH { request.json(&json!({})) } else { request };
            let _ = ada.api.send(request).await.expect_problem(404, "not-found");
        }
    }
    let _ = ada.api.put(&own, &json!({})).await.expect_problem(405, "method-not-allowed");
    let _ = ada.api.get(&format!("{own}/disable")).await.expect_problem(405, "method-not-allowed");

    // A user who loses the role loses access at once, whatever the token claims.
    let _ = eve.api.get(&own).await.expect(200);
    assert_eq!(ada.set_roles(&eve.id, &[]).await, 200);
    let _ = eve.api.get(&own).await.expect_problem(403, "forbidden");
    assert_eq!(roles_claim(&eve.tokens.access), json!(["admin"]));
    let refreshed = Tokens::from_response(&api.refresh(&eve.tokens.refresh).await.expect(200));
    assert_eq!(roles_claim(&refreshed.access), json!([]));
    assert_eq!(ada.set_roles(&eve.id, &["admin"]).await, 200);
    let _ = eve.api.get(&own).await.expect(200);
}

#[tokio::test]
async fn null_clears_the_roles_and_a_change_of_ones_own_account_is_logged_once() {
    let (world, service, _api) = start_user_service("selfact").await;
    let (ada, eve) = (create_admin(&world, &service, "ada").await, create_admin(&world, &service, "eve").await);
    let patch =
        async |by: &Admin, id: &str, body: Value| by.api.patch(&Admin::user_path(id, ""), &body).await.expect(200);
    let changed = patch(&ada, &ada.id, json!({ "roles": ["admin", "x"], "displayName": "Ada" })).await;
    assert_eq!(changed.json()["roles"], json!(["admin", "x"]));
    let rows = wait_for_audit_rows(&world, &ada.id, "user.profile_updated.v1", 1).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(text(&rows[0], "actor"), ada.id.as_str());
    assert_eq!(text(&rows[0], "address"), "127.0.0.1", "one's own");
    assert!(!rows[0].contains_key("target"), "{}", rows[0]);
    let cleared = patch(&eve, &ada.id, json!({ "roles": null })).await;
    assert_eq!(cleared.json()["roles"], json!([]));
    let _ = ada.api.get("/api/admin/users").await.expect_problem(403, "forbidden");
    // Administrators can also sign themselves out.
    let _ = eve.api.post(&Admin::user_path(&eve.id, "/logout"), &json!({})).await.expect(204);
    let _ = eve.api.get("/api/admin/users").await.expect_problem(401, "unauthorized");
}
