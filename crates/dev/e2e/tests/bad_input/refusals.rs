//! The test of all invalid requests, and tests of single refusals.

use std::{collections::BTreeSet, time::Duration};

use bson::{Document, doc};
use futures_util::TryStreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{ApiResponse, DEADLINE, Stack, TestUser, World, wait_for};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::cases::{Cases, InvalidRequest};

#[tokio::test]
async fn each_invalid_request_gets_its_problem_and_changes_nothing() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "bad").await;
    let (_users, _emails, api) = world.start_both().await;
    let user = TestUser { username: "modern1".to_owned(), ..world.test_user("modern") };
    let other = TestUser { username: "other-one".to_owned(), ..world.test_user("other") };
    let first = api.request(Method::POST, "/api/users").header("idempotency-key", "the-key");
    let _ = api.send(first.json(&user.registration())).await.expect(201);
    let _ = api.register(&other).await.expect(201);
    let used = world.mailbox(&other.email).wait_for_mails(1).await.remove(0).token("/verify-email");
    let _ = api.post("/api/auth/email-verification", &json!({ "token": used })).await.expect(204);
    let tokens = api.login(&user).await;
    let expired = expired_token(&world, &user).await;
    wait_until_all_published(&world).await;
    let mut topic = world.topic_reader();
    let (before, records) = (dump(&world).await, topic.read_all().await.len());

    let mut table = Cases { me: api.with_token(&tokens.access), api: api.clone(), user, cases: Vec::new() };
    table.malformed_bodies();
    table.media_types_and_sizes();
    table.bodies_with_wrong_members();
    table.numbers_out_of_range();
    table.invalid_registrations();
    table.invalid_changes();
    table.taken_names();
    table.wrong_secrets(&used);
    table.missing_and_bad_tokens(&tokens, &expired);
    table.wrong_paths_methods_and_versions();
    let mut wrong = Vec::new();
    let mut slugs = BTreeSet::new();
    let count = table.cases.len();
    for case in table.cases {
        let answer = api.send(case.request.try_clone().expect("the body is not a stream")).await;
        slugs.insert(case.slug);
        if let Err(why) = check_response(&case, &answer) {
            wrong.push(format!("{}: {why}\n    {} {}", case.what, answer.status, answer.text));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));

    // Any event that the requests had caused would be published before this.
    wait_until_all_published(&world).await;
    assert_eq!(dump(&world).await, before);
    assert_eq!(topic.read_all().await.len(), records);
    let _ = table.me.get("/api/users/me").await.expect(200);
    for slug in slugs {
        let page = api.get(&format!("/problems/{slug}")).await.expect(200);
        assert!(page.text.contains(slug) && page.header("content-type").starts_with("text/html"), "{slug}");
    }
}

/// Returns an error unless the response is the expected problem with the right headers.
fn check_response(case: &InvalidRequest, answer: &ApiResponse) -> Result<(), String> {
    let expect = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    let body = answer.json();
    expect(answer.status == case.status && answer.problem() == case.slug, case.slug)?;
    expect(answer.header("content-type") == "application/problem+json", "the content type")?;
    expect(body["status"] == case.status, "the member status")?;
    expect(body["type"] == format!("/problems/{}", case.slug), "the member type")?;
    expect(!answer.string("title").is_empty() && !answer.string("detail").is_empty(), "title and detail")?;
    let id = answer.header("x-request-id");
    expect(!id.is_empty() && body["requestId"] == id, "the request id")?;
    expect(answer.header("x-content-type-options") == "nosniff", "nosniff")?;
    expect(answer.header("cache-control") == "no-store", "Cache-Control")?;
    expect(
        answer.header("www-authenticate").starts_with("Bearer") == (case.status == 401),
        "WWW-Authenticate with 401 only",
    )?;
    expect(answer.header("allow").is_empty() == (case.status != 405), "Allow with 405 only")?;
    expect(body.get("errors").is_some() == (case.slug == "validation-failed"), "errors with validation-failed only")?;
    let mut found: Vec<(String, String)> =
        body["errors"].as_array().into_iter().flatten().map(pointer_and_code).collect();
    let mut expected: Vec<(String, String)> =
        case.errors.iter().map(|(place, code)| ((*place).to_owned(), (*code).to_owned())).collect();
    found.sort();
    expected.sort();
    expect(found == expected, &format!("the mistakes {expected:?}"))
}

fn pointer_and_code(error: &Value) -> (String, String) {
    let place = ["pointer", "header", "parameter"].into_iter().find_map(|member| error[member].as_str());
    (place.unwrap_or_default().to_owned(), error["code"].as_str().unwrap_or_default().to_owned())
}

/// Returns a genuine token that has expired.
async fn expired_token(world: &World, user: &TestUser) -> String {
    let mut brief = world.user_service().set("AUTH__ACCESS_TOKEN_TTL", "1s").start().await;
    let api = brief.api();
    let tokens = api.login(user).await;
    let me = api.with_token(&tokens.access);
    wait_for(DEADLINE, "the token to expire", async || (me.get("/api/users/me").await.status == 401).then_some(()))
        .await;
    assert_eq!(brief.terminate().await.code(), Some(0));
    tokens.access
}

async fn wait_until_all_published(world: &World) {
    let users = world.user_database().await.collection::<Document>("users");
    wait_for(DEADLINE, "every event to be published", async || {
        let pending = doc! { "pendingEvents.0": { "$exists": true } };
        (users.count_documents(pending).await.expect("users can be read") == 0).then_some(())
    })
    .await;
}

async fn dump(world: &World) -> Vec<Document> {
    let database = world.user_database().await;
    let mut all = Vec::new();
    for collection in ["users", "sessions", "keys"] {
        let cursor = database.collection::<Document>(collection).find(doc! {}).sort(doc! { "_id": 1 }).await;
        let documents: Vec<Document> =
            cursor.expect("the collection can be read").try_collect().await.expect("the collection can be read");
        all.extend(documents);
    }
    all
}

#[tokio::test]
async fn an_endless_chunked_body_is_cut_off_at_the_limit() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "chunked").await;
    let service = world.user_service().start().await;
    let address = service.base_url().trim_start_matches("http://").to_owned();
    for path in ["/api/users", "/api/auth/login"] {
        let mut stream = TcpStream::connect(&address).await.expect("the service listens");
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("the head is sent");
        let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
        let (mut read, mut write) = stream.into_split();
        // The client sends as long as the connection is open.
        let sender = tokio::spawn(async move { while write.write_all(chunk.as_bytes()).await.is_ok() {} });
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(20), async {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = read.read(&mut buffer).await {
                answer.extend_from_slice(&buffer[..count]);
            }
        })
        .await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with("HTTP/1.1 413 ") && text.contains("/problems/body-too-large"), "{path}: {text:?}");
        assert!(ended.is_ok(), "{path}: the connection is still open");
        sender.abort();
    }
    let _ = service.api().get("/.well-known/jwks.json").await.expect(200);
}

#[tokio::test]
async fn an_unknown_account_and_a_wrong_password_get_the_same_response() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "alike").await;
    let service = world.user_service().start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = api.register(&ada).await.expect(201);
    let mut seen = BTreeSet::new();
    for identifier in [ada.email.as_str(), ada.username.as_str(), "unknown@example.org", "unknown", "no name at all"] {
        let body = json!({ "identifier": identifier, "password": "not the password" });
        let answer = api.post("/api/auth/login", &body).await.expect_problem(401, "invalid-credentials");
        let mut problem = answer.json();
        problem["requestId"] = Value::Null;
        let mut headers: Vec<(String, String)> = answer
            .headers
            .iter()
            .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        headers.sort();
        seen.insert(format!("{problem} {headers:?}"));
    }
    assert_eq!(seen.len(), 1, "{seen:#?}");
}
