//! The life of an account from its registration to its deletion.

use std::fs;

use bson::{Document, Uuid, doc};
use e2e::{
    accounts::{parse_uuid, try_login, verify_email, with_new_password},
    start::start_both_services,
};
use reqwest::{Method, header};
use serde_json::{Value, json};
use test_support::{Api, DEADLINE, Record, TestUser, Tokens, World, count, wait_for, wait_for_count};

use crate::tokens::{assert_refresh_refused, refresh};

#[tokio::test]
async fn an_account_from_its_registration_to_its_deletion() {
    let (world, _users, _emails, api) = start_both_services("life").await;
    let ada = world.test_user("ada");
    let mut topic = world.topic_reader();

    let registered = api.register(&ada).await.expect(201);
    let user = registered.json();
    let id = registered.string("id");
    assert_eq!(registered.header("location"), "/api/users/me");
    assert_eq!(registered.header("etag"), "\"1\"");
    assert_eq!(registered.header("cache-control"), "no-store");
    assert_is_a_new_user(&user, &ada);

    let record = topic.read_type("user.registered.v1", 1).await.remove(0);
    assert_matches_contract(&record, &id, 1);
    assert_eq!(record.json()["username"], ada.username);
    assert_eq!(record.json()["recipient"]["email"], ada.email);

    let mailbox = world.mailbox(&ada.email);
    let welcome = mailbox.wait_for_mails(1).await.remove(0);
    assert_eq!(welcome.to, std::slice::from_ref(&ada.email));
    assert!(welcome.subject.starts_with("Welcome to "), "{}", welcome.subject);
    assert_eq!(welcome.header("auto-submitted"), "auto-generated");
    let job = ledger_row(&world, &record.id()).await;
    assert_eq!(welcome.header("message-id"), job.get_str("messageId").expect("a row has its message id"));
    assert!(welcome.header("message-id").starts_with(&format!("<{}.welcome@", record.id())));

    verify_by_link(&api, &welcome.links(), &welcome.token("/verify-email")).await;
    topic.read_type("user.email_verified.v1", 1).await;

    let mut laptop = api.login(&ada).await;
    let by_name = json!({ "identifier": ada.username, "password": ada.password });
    let answer = api.post("/api/auth/login", &by_name).await.expect(200);
    assert_eq!(answer.json()["tokenType"], "Bearer");
    assert_eq!(answer.json()["expiresIn"], 900);
    assert_eq!(answer.json()["user"]["emailVerified"], true);
    let phone = Tokens::from_response(&answer);
    let logins = topic.read_type("user.logged_in.v1", 2).await;
    assert!(logins.iter().all(|login| login.json()["methods"] == json!(["password"])));

    change_profile_with_etag(&api.with_token(&laptop.access)).await;
    let update = topic.read_type("user.profile_updated.v1", 1).await.remove(0);
    assert_eq!(update.json()["changed"], json!(["displayName", "locale", "timezone", "attributes"]));

    assert_token_reuse_ends_session(&api, &ada).await;

    laptop = refresh(&api, &laptop.refresh).await;
    let renewed = change_password(&api, &ada, &laptop, &phone).await;
    mailbox.wait_for_subject("Your password was changed").await;

    let me = api.with_token(&laptop.access);
    let wrong = json!({ "password": ada.password });
    let _ = me.delete("/api/users/me", Some(&wrong)).await.expect_problem(403, "wrong-password");
    let right = json!({ "password": renewed.password });
    let _ = me.delete("/api/users/me", Some(&right)).await.expect(204);
    let _ = me.get("/api/users/me").await.expect_problem(401, "unauthorized");
    assert_refresh_refused(&api, &laptop.refresh).await;
    // Username and address are free before the deletion event is published.
    let again = api.register(&ada).await.expect(201);
    assert_ne!(again.string("id"), id);

    let deleted = topic.read_type("user.deleted.v1", 1).await.remove(0);
    assert_eq!(deleted.json()["by"], "self");
    assert_matches_contract(&deleted, &id, deleted.sequence());
    wait_until_nothing_is_left(&world, &id).await;
    // The mails are the welcome, the notice of the password change, the goodbye, and the welcome of the second
    // account.
    let mails = mailbox.wait_for_mails(4).await;
    let subjects: Vec<&str> = mails.iter().map(|mail| mail.subject.as_str()).collect();
    assert_eq!(subjects.iter().filter(|subject| subject.starts_with("Welcome to ")).count(), 2, "{subjects:?}");
    assert_eq!(subjects.iter().filter(|subject| **subject == "Your account was deleted").count(), 1, "{subjects:?}");
    wait_until_mails_are_sent(&world, 4).await;
    assert_eq!(mailbox.mails().await.len(), 4);

    let sequences: Vec<u64> =
        topic.read_all().await.iter().filter(|record| record.key_text() == id).map(Record::sequence).collect();
    assert!(sequences.is_sorted_by(|one, next| one < next), "{sequences:?}");
}

fn assert_is_a_new_user(body: &Value, user: &TestUser) {
    let members: Vec<&str> = body.as_object().expect("a user is an object").keys().map(String::as_str).collect();
    let mut expected = [
        "id",
        "username",
        "email",
        "emailVerified",
        "displayName",
        "locale",
        "timezone",
        "attributes",
        "roles",
        "status",
        "createdAt",
        "updatedAt",
        "invited",
        "lastLoginAt",
        "version",
    ];
    expected.sort_unstable();
    let mut members = members;
    members.sort_unstable();
    assert_eq!(members, expected);
    assert_eq!(body["username"], user.username);
    assert_eq!(body["email"], user.email);
    assert_eq!(body["emailVerified"], false);
    assert_eq!(body["status"], "active");
    assert_eq!(body["invited"], false);
    assert_eq!(body["roles"], json!([]));
    assert_eq!(body["version"], 1);
    for unset in ["displayName", "locale", "timezone", "attributes", "lastLoginAt"] {
        assert!(body[unset].is_null(), "{unset} of {body}");
    }
    let id = body["id"].as_str().and_then(|id| Uuid::parse_str(id).ok()).expect("the id is a UUID");
    assert_eq!(id.bytes()[6] >> 4, 7, "{id}");
}

/// Checks that headers, key, partition and schema of a record match section 4.4 of the contract.
fn assert_matches_contract(record: &Record, user: &str, sequence: u64) {
    let event_type = record.event_type();
    assert_eq!(record.key_text(), user);
    assert_eq!(record.partition, events::topic::partition_of(user.as_bytes(), 12));
    assert_eq!(record.header("ce_specversion"), "1.0");
    assert_eq!(record.header("ce_source"), "/user-service");
    assert_eq!(record.header("ce_subject"), user);
    assert_eq!(record.header("ce_sequence"), format!("{sequence:010}"));
    assert_eq!(record.header("ce_dataschema"), format!("urn:user-service:events:{event_type}"));
    assert_eq!(record.header("content-type"), "application/json");
    assert!(record.header("ce_time").parse::<jiff::Timestamp>().is_ok(), "{}", record.header("ce_time"));
    assert_eq!(record.header("traceparent").len(), 55);
    let id = Uuid::parse_str(record.id()).expect("ce_id is a UUID");
    assert_eq!(id.bytes()[6] >> 4, 7, "{id}");

    let schema = fs::read_to_string(format!("{}/../../events/schemas/{event_type}.json", env!("CARGO_MANIFEST_DIR")));
    let schema: Value = serde_json::from_str(&schema.expect("the type has a schema")).expect("a schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is valid");
    let data = record.json();
    let mistakes: Vec<String> = validator.iter_errors(&data).map(|error| error.to_string()).collect();
    assert!(mistakes.is_empty(), "{event_type}: {mistakes:?}");
    let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
    let decoded = events::decode(headers, record.key.as_deref(), record.value.as_deref());
    assert!(matches!(decoded, Ok(events::Decoded::Event(_))), "{decoded:?}");
}

async fn ledger_row(world: &World, event_id: &str) -> Document {
    let jobs = world.email_collection("mailJobs").await;
    wait_for(DEADLINE, "a row in the ledger", async || {
        jobs.find_one(doc! { "eventId": event_id }).await.expect("the ledger can be read")
    })
    .await
}

/// Verifies the address through the page: opening the page does not use the token, submitting its form does, and no
/// token works twice.
async fn verify_by_link(api: &Api, links: &[String], token: &str) {
    let path = format!("/verify-email?token={token}");
    assert!(links.iter().any(|link| link.ends_with(&path)), "{links:?}");
    for _ in 0..2 {
        let page = api.get(&path).await.expect(200);
        assert!(page.text.contains(token) && page.text.contains("<form method=\"post\""), "{}", page.text);
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert_eq!(page.header("cache-control"), "no-store");
    }
    let _ = api.submit("/verify-email", &[("token", token)]).await.expect(200);
    // The page shows a used token as done; the API refuses it.
    let again = api.submit("/verify-email", &[("token", token)]).await.expect(200);
    assert!(again.text.contains("It was confirmed before."), "{}", again.text);
    let _ = verify_email(api, token).await.expect_problem(400, "token-invalid");
}

async fn change_profile_with_etag(me: &Api) {
    let seen = me.get("/api/users/me").await.expect(200);
    let etag = seen.header("etag");
    assert_eq!(etag, format!("\"{}\"", seen.json()["version"]));
    let fresh = me.request(Method::GET, "/api/users/me").header("if-none-match", &etag);
    let not_modified = me.send(fresh).await.expect(304);
    assert_eq!(not_modified.header("etag"), etag);
    assert!(not_modified.text.is_empty());

    let patch = |etag: &str, body: Value| {
        let request = me.request(Method::PATCH, "/api/users/me").header("if-match", etag);
        request.header(header::CONTENT_TYPE, "application/merge-patch+json").body(body.to_string())
    };
    let change = json!({
        "displayName": "Ada Lovelace", "locale": "en-GB", "timezone": "Europe/London", "attributes": { "a": { "b": 1 } },
    });
    let changed = me.send(patch(&etag, change.clone())).await.expect(200);
    for member in ["displayName", "locale", "timezone", "attributes"] {
        assert_eq!(changed.json()[member], change[member]);
    }
    assert_ne!(changed.header("etag"), etag);
    let stale = me.send(patch(&etag, json!({ "displayName": "Charles" }))).await;
    let _ = stale.expect_problem(412, "precondition-failed");
    let now = me.send(me.request(Method::GET, "/api/users/me").header("if-none-match", &etag)).await.expect(200);
    assert_eq!(now.json()["displayName"], "Ada Lovelace");
    assert_eq!(now.header("etag"), changed.header("etag"));
}

async fn assert_token_reuse_ends_session(api: &Api, user: &TestUser) {
    let first = api.login(user).await;
    let second = refresh(api, &first.refresh).await;
    let third = refresh(api, &second.refresh).await;
    assert_ne!(second.refresh, third.refresh);
    assert_refresh_refused(api, &first.refresh).await;
    assert_refresh_refused(api, &third.refresh).await;
}

/// Changes the password: the session that changes it continues, and all other sessions end at once.
async fn change_password(api: &Api, user: &TestUser, own: &Tokens, other: &Tokens) -> TestUser {
    let renewed = with_new_password(user, "once more");
    let me = api.with_token(&own.access);
    let change = |current: &str| json!({ "currentPassword": current, "newPassword": renewed.password });
    let _ = me.put("/api/users/me/password", &change("not the one")).await.expect_problem(403, "wrong-password");
    let _ = me.put("/api/users/me/password", &change(&user.password)).await.expect(204);

    let elsewhere = api.with_token(&other.access).get("/api/users/me").await;
    let _ = elsewhere.expect_problem(401, "unauthorized");
    assert_refresh_refused(api, &other.refresh).await;
    let _ = me.get("/api/users/me").await.expect(200);
    refresh(api, &own.refresh).await;
    let _ = try_login(api, &user.email, &user.password).await.expect_problem(401, "invalid-credentials");
    api.login(&renewed).await;
    renewed
}

async fn wait_until_nothing_is_left(world: &World, id: &str) {
    let id = parse_uuid(id);
    for (collection, field) in [("users", "_id"), ("sessions", "userId"), ("audit", "userId")] {
        let rows = world.user_collection(collection).await;
        wait_for_count(&rows, doc! { field: id }, 0).await;
    }
}

async fn wait_until_mails_are_sent(world: &World, expected: u64) {
    let jobs = world.email_collection("mailJobs").await;
    wait_for(DEADLINE, "every mail to be sent", async || {
        let (sent, all) = (count(&jobs, doc! { "state": "sent" }).await, count(&jobs, doc! {}).await);
        (sent == all && all == expected).then_some(())
    })
    .await;
}
