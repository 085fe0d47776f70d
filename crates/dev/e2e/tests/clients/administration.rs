//! The administration of clients over HTTP.

use e2e::{
    accounts::register_and_log_in, administrators::create_admin, clients::TestClient, start::start_user_service,
};
use serde_json::{Value, json};

const CLIENTS: &str = "/api/admin/clients";

#[tokio::test]
async fn an_administrator_creates_reads_and_lists_clients_and_sees_each_secret_once() {
    let (world, service, _api) = start_user_service("clientadmin").await;
    let admin = create_admin(&world, &service, "admin").await;
    let mut made = Vec::new();
    for name in ["one", "two", "  Zoe\u{308}’s job "] {
        let body = json!({ "name": name, "scopes": ["users:write", "users:read", "users:read"] });
        let response = admin.api.post(CLIENTS, &body).await.expect(201);
        let client = TestClient::from_response(&response);
        assert_eq!(response.header("location"), client.path(""));
        assert_eq!(response.header("cache-control"), "no-store");
        let shown = admin.api.get(&client.path("")).await.expect(200);
        assert_eq!(shown.json(), response.json()["client"]);
        assert!(!shown.text.contains(&client.secret), "{}", shown.text);
        made.push(shown.json());
    }
    assert_eq!((&made[2]["name"], &made[2]["scopes"]), (&json!("Zoë’s job"), &json!(["users:read", "users:write"])));
    assert_eq!((&made[2]["status"], made[2]["secrets"].as_array().map(Vec::len)), (&json!("active"), Some(1)));
    // In pages, the newest first.
    let (mut path, mut listed) = (format!("{CLIENTS}?limit=2"), Vec::<Value>::new());
    loop {
        let page = admin.api.get(&path).await.expect(200);
        listed.extend(page.json()["items"].as_array().cloned().expect("a page has items"));
        let Some(cursor) = page.json()["nextCursor"].as_str().map(str::to_owned) else { break };
        path = format!("{CLIENTS}?limit=2&cursor={cursor}");
        assert_eq!(page.header("link"), format!("<{path}>; rel=\"next\""));
    }
    made.reverse();
    assert_eq!(listed, made);
}

#[tokio::test]
async fn only_administrators_manage_clients() {
    let (world, service, api) = start_user_service("clientnoadmin").await;
    let admin = create_admin(&world, &service, "admin").await;
    let client = TestClient::create(&admin, &["users:read", "users:write"]).await;
    let (_, user) = register_and_log_in(&world, &api, "ada").await;
    let program = client.with_token(&api).await;
    let body = json!({ "name": "more", "scopes": ["users:read"] });
    for (caller, status, slug) in
        [(&user, 403, "forbidden"), (&program, 401, "unauthorized"), (&api, 401, "unauthorized")]
    {
        let _ = caller.get(CLIENTS).await.expect_problem(status, slug);
        let _ = caller.post(CLIENTS, &body).await.expect_problem(status, slug);
        let _ = caller.get(&client.path("")).await.expect_problem(status, slug);
        for action in ["rotate-secret", "drop-old-secret", "disable", "enable"] {
            let _ = caller.post(&client.path(&format!("/{action}")), &json!({})).await.expect_problem(status, slug);
        }
    }
    let listed = admin.api.get(CLIENTS).await.expect(200).json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["items"][0]["status"], "active");
}

#[tokio::test]
async fn a_malformed_client_is_refused_and_not_created() {
    let (world, service, _api) = start_user_service("clientmalformed").await;
    let admin = create_admin(&world, &service, "admin").await;
    for (body, errors) in [
        (json!({}), &[("#/name", "missing"), ("#/scopes", "missing")][..]),
        (json!({ "name": 7, "scopes": "users:read" }), &[("#/name", "wrong-type"), ("#/scopes", "wrong-type")]),
        (json!({ "name": "n", "scopes": [] }), &[("#/scopes", "out-of-range")]),
        (json!({ "name": "n", "scopes": [7] }), &[("#/scopes/0", "wrong-type")]),
        (json!({ "name": "n", "scopes": vec!["users:read"; 33] }), &[("#/scopes", "out-of-range")]),
        (json!({ "name": "n", "scopes": ["users:read"], "secret": "mine" }), &[("#/secret", "unknown")]),
        (json!({ "name": "n", "scopes": ["users:read"], "id": "mine" }), &[("#/id", "unknown")]),
        (json!({ "name": "", "scopes": ["roles:write"] }), &[("#/name", "too-short"), ("#/scopes", "unknown")]),
        (
            json!({ "name": "a\nb", "scopes": ["Users:read"] }),
            &[("#/name", "invalid-character"), ("#/scopes", "unknown")],
        ),
        (json!({ "name": "x".repeat(101), "scopes": ["users:read"] }), &[("#/name", "too-long")]),
        (
            json!({ "name": "a\u{202e}b", "scopes": ["users:read users:write"] }),
            &[("#/name", "invalid-character"), ("#/scopes", "unknown")],
        ),
    ] {
        let refused = admin.api.post(CLIENTS, &body).await.expect_problem(422, "validation-failed");
        let expected: Vec<_> = errors.iter().map(|(place, code)| ((*place).to_owned(), (*code).to_owned())).collect();
        assert_eq!(refused.errors(), expected, "{body}");
    }
    for query in ["limit=0", "limit=101", "cursor=x", "status=active", "limit=1&limit=1"] {
        let _ = admin.api.get(&format!("{CLIENTS}?{query}")).await.expect_problem(422, "validation-failed");
    }
    for id in ["019f2b4c-7a10-7c3e-9b1d-5f2a8e6d4c31", "not-an-id", "client:019f2b4c-7a10-7c3e-9b1d-5f2a8e6d4c31"] {
        let _ = admin.api.get(&format!("{CLIENTS}/{id}")).await.expect_problem(404, "not-found");
        for action in ["rotate-secret", "drop-old-secret", "disable", "enable"] {
            let _ =
                admin.api.post(&format!("{CLIENTS}/{id}/{action}"), &json!({})).await.expect_problem(404, "not-found");
        }
    }
    let listed = admin.api.get(CLIENTS).await.expect(200).json();
    assert_eq!(listed, json!({ "items": [], "nextCursor": null }));
    // Nothing that was refused is in the administrator's log.
    let log = admin.api.get("/api/users/me/audit").await.expect(200);
    assert!(!log.text.contains("client_"), "{}", log.text);
}
