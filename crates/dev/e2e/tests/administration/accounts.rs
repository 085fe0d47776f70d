//! The changes that an administrator can make to an account.

use bson::doc;
use e2e::{
    accounts::{fail_login, parse_uuid, register_with_id, try_login, verify_email},
    administrators::{Admin, create_admin},
    rate_limits::log_in_from,
    start::{start_both_services, start_user_service, start_user_service_with, start_with_limits},
};
use reqwest::{Method, header};
use serde_json::{Value, json};
use test_support::{Api, Record, TestUser, count, remember_secret, wait_for_count};

use crate::audit_rows::{text, wait_for_audit_rows};

#[tokio::test]
async fn white_space_around_a_text_is_trimmed_in_every_request() {
    let (world, service, api) = start_user_service("blanks").await;
    let root = create_admin(&world, &service, "root").await;
    let mut body = world.test_user("ada").registration();
    let password = body["password"].clone();
    for (member, text) in [("username", " ada-one\t"), ("locale", " de-CH\n"), ("displayName", " Ada ")] {
        body[member] = json!(text);
    }
    let user = api.post("/api/users", &body).await.expect(201).json();
    assert_eq!(
        (&user["username"], &user["locale"], &user["displayName"]),
        (&json!("ada-one"), &json!("de-CH"), &json!("Ada"))
    );
    body["email"] = json!(world.address("other"));
    let _ = api.post("/api/users", &body).await.expect_problem(409, "username-taken");

    let login = json!({ "identifier": "\u{3000}ADA-one ", "password": password });
    let me = api.with_token(&api.post("/api/auth/login", &login).await.expect(200).string("accessToken"));
    let patch = json!({ "username": "ada-two ", "locale": "\tfr", "timezone": " Europe/Berlin " });
    let user = me.patch("/api/users/me", &patch).await.expect(200).json();
    assert_eq!(
        (&user["username"], &user["locale"], &user["timezone"]),
        (&json!("ada-two"), &json!("fr"), &json!("Europe/Berlin"))
    );
    let id = user["id"].as_str().expect("the user has an id");
    let patch = json!({ "username": "\nada-three", "timezone": "utc " });
    let user = root.api.patch(&Admin::user_path(id, ""), &patch).await.expect(200).json();
    assert_eq!((&user["username"], &user["timezone"]), (&json!("ada-three"), &json!("UTC")));
    let too_short = me.patch("/api/users/me", &json!({ "username": "  a  " })).await;
    assert_eq!(too_short.expect_problem(422, "validation-failed").json()["errors"][0]["code"], "too-short");
    let big = r#"{"attributes":{"n":18446744073709551616}}"#;
    let request = root.api.request(Method::PATCH, &Admin::user_path(id, "")).header("content-type", "application/json");
    let refused = root.api.send(request.body(big)).await.expect_problem(422, "validation-failed").json();
    assert_eq!(
        (&refused["errors"][0]["pointer"], &refused["errors"][0]["code"]),
        (&json!("#/attributes/n"), &json!("out-of-range"))
    );
}

#[tokio::test]
async fn an_administrator_changes_disables_signs_out_and_deletes_an_account() {
    let (world, service, _emails, api) = start_both_services("acts").await;
    let root = create_admin(&world, &service, "root").await;
    let (bob, id) = register_with_id(&world, &api, "bob").await;
    let mailbox = world.mailbox(&bob.email);
    let welcome = mailbox.wait_for_mails(1).await.remove(0);
    let mut topic = world.topic_reader();
    let path = |below: &str| Admin::user_path(&id, below);

    change_account_with_etag(&root, &id).await;
    let update = topic.read_type("user.profile_updated.v1", 1).await.remove(0);
    assert_eq!(update.json()["changed"], json!(["username", "displayName", "locale", "timezone", "attributes"]));
    let roles = topic.read_type("user.roles_changed.v1", 2).await;
    let roles = roles.iter().find(|record| record.key_text() == id).expect("the other event belongs to root");
    assert_eq!(roles.json(), json!({ "userId": id, "roles": ["editor", "writer"], "by": "admin" }));
    assert_eq!(
        (roles.sequence(), roles.key_text()),
        (update.sequence() + 1, id.clone()),
        "both events come from one write"
    );

    // The user is signed out everywhere, and access tokens end at once; the password stays the same.
    let tokens = api.login(&bob).await;
    let _ = root.api.post(&path("/logout"), &json!({})).await.expect(204);
    let _ = api.with_token(&tokens.access).get("/api/users/me").await.expect_problem(401, "unauthorized");
    let _ = api.refresh(&tokens.refresh).await.expect_problem(401, "unauthorized");
    let ended = topic.read_type("user.sessions_ended.v1", 1).await.remove(0);
    assert_eq!(ended.json(), json!({ "userId": id, "reason": "admin" }));

    // While the account is disabled, logins are refused and no link works. Disabling it again changes nothing.
    let tokens = api.login(&bob).await;
    let _ = root.api.send(root.api.request(Method::POST, &path("/disable"))).await.expect(204);
    let disabled = root.api.get(&path("")).await.expect(200);
    assert_eq!(disabled.json()["status"], "disabled");
    let _ = root.api.post(&path("/disable"), &json!({})).await.expect(204);
    assert_eq!(root.api.get(&path("")).await.header("etag"), disabled.header("etag"));
    let _ = api.with_token(&tokens.access).get("/api/users/me").await.expect_problem(401, "unauthorized");
    let _ = api.refresh(&tokens.refresh).await.expect_problem(401, "unauthorized");
    let _ = try_login(&api, &bob.email, &bob.password).await.expect_problem(403, "account-disabled");
    fail_login(&api, &bob).await;
    let token = welcome.token("/verify-email");
    let _ = verify_email(&api, &token).await.expect_problem(400, "token-invalid");

    let _ = root.api.post(&path("/enable"), &json!({})).await.expect(204);
    let enabled = root.api.get(&path("")).await.expect(200);
    let _ = root.api.post(&path("/enable"), &json!({})).await.expect(204);
    assert_eq!(root.api.get(&path("")).await.header("etag"), enabled.header("etag"));
    let tokens = api.login(&bob).await;
    let _ = verify_email(&api, &token).await.expect_problem(400, "token-invalid");
    for kind in ["user.disabled.v1", "user.enabled.v1"] {
        let events = topic.read_type(kind, 1).await;
        assert_eq!(events.iter().map(Record::json).collect::<Vec<_>>(), [json!({ "userId": id, "by": "admin" })]);
    }

    // Both audit logs contain the change. The user's log shows only the id of the administrator.
    for kind in ["user.profile_updated.v1", "user.sessions_ended.v1", "user.disabled.v1", "user.enabled.v1"] {
        let row = wait_for_audit_rows(&world, &id, kind, 1).await.remove(0);
        assert_eq!(text(&row, "actor"), root.id.as_str(), "{row}");
        assert!(!row.contains_key("address") && !row.contains_key("client"), "{row}");
        let row = wait_for_audit_rows(&world, &root.id, kind, 1).await.remove(0);
        assert_eq!((text(&row, "actor"), row.get("target")), ("self", Some(&parse_uuid(&id).into())), "{row}");
        assert_eq!(text(&row, "address"), "127.0.0.1", "{row}");
    }

    assert_both_logs(&root, &api.with_token(&tokens.access), &id).await;

    let stale = root.api.request(Method::DELETE, &path("")).header(header::IF_MATCH, "\"1\"");
    let _ = root.api.send(stale).await.expect_problem(412, "precondition-failed");
    let etag = root.api.get(&path("")).await.header("etag");
    let fresh = root.api.request(Method::DELETE, &path("")).header(header::IF_MATCH, etag);
    let _ = root.api.send(fresh).await.expect(204);
    let _ = root.api.get(&path("")).await.expect_problem(404, "not-found");
    let _ = root.api.delete(&path(""), None).await.expect_problem(404, "not-found");
    let _ = api.with_token(&tokens.access).get("/api/users/me").await.expect_problem(401, "unauthorized");
    let deleted = topic.read_type("user.deleted.v1", 1).await.remove(0);
    assert_eq!(deleted.json()["by"], "admin");
    mailbox.wait_for_subject("Ihr Konto wurde gelöscht").await;

    // Nothing is left of the user except the administrator's audit entries, which contain the id.
    wait_for_count(&world.user_collection("users").await, doc! { "_id": parse_uuid(&id) }, 0).await;
    let rows = world.user_collection("audit").await;
    assert_eq!(count(&rows, doc! { "userId": parse_uuid(&id) }).await, 0);
    let acts = count(&rows, doc! { "userId": parse_uuid(&root.id), "target": parse_uuid(&id) }).await;
    assert_eq!(acts, 6, "profile, roles, sessions, disabled, enabled, deleted");
    let deleted = wait_for_audit_rows(&world, &root.id, "user.deleted.v1", 1).await.remove(0);
    assert_eq!(deleted.get("target"), Some(&parse_uuid(&id).into()), "{deleted}");
}

/// Compares the log of the account as the administrator and as the user read it, and the log of the administrator;
/// paging through a log gives the same entries.
async fn assert_both_logs(root: &Admin, user: &Api, id: &str) {
    let path = Admin::user_path(id, "/audit");
    let of_account = root.api.get(&format!("{path}?limit=100")).await.expect(200).json()["items"].clone();
    let disabled = entry(&of_account, "user.disabled.v1");
    assert_eq!((&disabled["actor"], &disabled["actorId"]), (&json!("admin"), &json!(root.id)));
    assert_eq!((&disabled["address"], &disabled["targetId"]), (&Value::Null, &Value::Null));
    assert_eq!(entry(&of_account, "user.registered.v1")["actor"], "self");
    let by_person = user.get("/api/users/me/audit?limit=100").await.expect(200).json()["items"].clone();
    assert_eq!(by_person, of_account);

    let own = root.api.get("/api/users/me/audit?limit=100").await.expect(200).json()["items"].clone();
    let act = entry(&own, "user.disabled.v1");
    assert_eq!((&act["actor"], &act["targetId"], &act["address"]), (&json!("self"), &json!(id), &json!("127.0.0.1")));
    assert_eq!(act["at"], disabled["at"]);

    let mut paged = Vec::new();
    let mut next = format!("{path}?limit=3");
    while !next.is_empty() {
        let page = root.api.get(&next).await.expect(200);
        paged.extend(page.json()["items"].as_array().expect("the page has items").clone());
        let link = page.header("link");
        next = link.trim_start_matches('<').split_once('>').map(|(path, _)| path.to_owned()).unwrap_or_default();
    }
    assert_eq!(Value::Array(paged), of_account);
    for query in ["limit=0", "cursor=x", "query=x"] {
        let _ = root.api.get(&format!("{path}?{query}")).await.expect_problem(422, "validation-failed");
    }
}

fn entry(items: &Value, kind: &str) -> Value {
    let found = items.as_array().into_iter().flatten().find(|item| item["type"] == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {items:#}")).clone()
}

async fn change_account_with_etag(root: &Admin, id: &str) {
    let path = Admin::user_path(id, "");
    let seen = root.api.get(&path).await.expect(200);
    let etag = seen.header("etag");
    let known = root.api.request(Method::GET, &path).header(header::IF_NONE_MATCH, &etag);
    let _ = root.api.send(known).await.expect(304);
    let patch = |etag: &str, body: &Value| {
        let request = root.api.request(Method::PATCH, &path).header(header::IF_MATCH, etag);
        root.api.send(request.header(header::CONTENT_TYPE, "application/merge-patch+json").body(body.to_string()))
    };
    let change = json!({
        "username": "robert", "displayName": "Bob", "locale": "de", "timezone": "Europe/Berlin",
        "attributes": { "plan": "pro" }, "roles": ["writer", "editor", "writer"],
    });
    let changed = patch(&etag, &change).await.expect(200);
    assert_eq!(changed.json()["roles"], json!(["editor", "writer"]));
    for member in ["username", "displayName", "locale", "timezone", "attributes"] {
        assert_eq!(changed.json()[member], change[member]);
    }
    let _ = patch(&etag, &json!({ "displayName": "Rob" })).await.expect_problem(412, "precondition-failed");
    // Repeating the same change changes nothing.
    let again = patch("*", &change).await.expect(200);
    assert_eq!(again.header("etag"), changed.header("etag"));
    let taken = json!({ "username": root.user.username, "roles": [] });
    let _ = patch("*", &taken).await.expect_problem(409, "username-taken");

    let many: Vec<String> = (0..33).map(|n| format!("r{n}")).collect();
    for (body, pointer) in [
        (json!({ "roles": ["ok", "Not Ok"] }), "#/roles/1"),
        (json!({ "roles": [""] }), "#/roles/0"),
        (json!({ "roles": many }), "#/roles"),
        (json!({ "roles": "admin" }), "#/roles"),
        (json!({ "username": null }), "#/username"),
        (json!({ "email": "new@example.org" }), "#/email"),
        (json!({ "status": "disabled" }), "#/status"),
        (json!({ "locale": "not a locale", "roles": ["x"] }), "#/locale"),
    ] {
        let refused = patch("*", &body).await.expect_problem(422, "validation-failed");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{}", refused.text);
    }
    assert_eq!(root.api.get(&path).await.header("etag"), changed.header("etag"), "a refused request changes nothing");
}

#[tokio::test]
async fn an_administrator_can_act_while_many_events_wait_for_kafka() {
    // Without a broker, no event leaves the pending lists.
    let settings = [("KAFKA__BROKERS", "127.0.0.1:9"), ("RELAY__MAX_PENDING_PER_USER", "4")];
    let (world, service, api) = start_user_service_with("adminfull", &settings).await;
    let root = create_admin(&world, &service, "root").await;
    let (bob, id) = register_with_id(&world, &api, "bob").await;
    let path = |below: &str| Admin::user_path(&id, below);
    let mut refused = None;
    for n in 0..5 {
        let answer = root.api.patch(&path(""), &json!({ "displayName": format!("Bob {n}") })).await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let _ = refused.expect("the list is full").expect_problem(503, "unavailable");
    let _ = root.api.post(&path("/logout"), &json!({})).await.expect(204);
    let _ = root.api.post(&path("/disable"), &json!({})).await.expect(204);
    let _ = root.api.post(&path("/enable"), &json!({})).await.expect_problem(503, "unavailable");
    let _ = root.api.delete(&path(""), None).await.expect(204);
    let _ = root.api.get(&path("")).await.expect_problem(404, "not-found");
    // A tombstone that waits for Kafka is in no list.
    assert_eq!(root.list_pages("").await.concat(), [root.id.as_str()]);
    remember_secret("password", &bob.password);
}

#[tokio::test]
async fn an_administrator_unlocks_an_account_that_is_under_attack() {
    let (world, service, api) = start_with_limits("unlock", &[]).await;
    let root = create_admin(&world, &service, "root").await;
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    let login = async |network: usize, password: &str| {
        let attempt = TestUser { password: password.to_owned(), ..ada.clone() };
        log_in_from(&api, &format!("198.51.{network}.1"), &attempt).await
    };
    let unlock = async || {
        let _ = root.api.send(root.api.request(Method::POST, &Admin::user_path(&id, "/unlock"))).await.expect(204);
    };
    // Unlocking an account that is not locked does nothing.
    unlock().await;
    let mut tries = 0;
    while login(tries, "a guess of a password").await.status != 429 {
        tries += 1;
        assert!(tries < 200, "the account is never locked");
    }
    let _ = login(250, &ada.password).await.expect_problem(429, "rate-limited");
    let mut topic = world.topic_reader();
    topic.read_type("user.locked.v1", 1).await;
    unlock().await;
    unlock().await;
    let _ = login(251, &ada.password).await.expect(200);
    let unlocked = topic.read_type("user.unlocked.v1", 1).await;
    assert_eq!(unlocked.iter().map(Record::json).collect::<Vec<_>>(), [json!({ "userId": id })]);
    let row = wait_for_audit_rows(&world, &id, "user.unlocked.v1", 1).await.remove(0);
    assert_eq!(text(&row, "actor"), root.id);
    assert_eq!(
        wait_for_audit_rows(&world, &root.id, "user.unlocked.v1", 1).await.len(),
        1,
        "an unlock that changes nothing is not recorded"
    );
}
