//! The test of all invalid requests, and tests of single refusals.

use std::{collections::BTreeSet, time::Duration};

use bson::{Document, doc};
use e2e::{
    accounts::{register, register_with_key, try_login, verify_email, wait_until_all_published},
    administrators::create_admin,
    comparable_response::ComparableResponse,
    start::{start_both_services, start_user_service},
};
use test_support::{ApiResponse, DEADLINE, TestUser, World, find_all, wait_for};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::cases::{Cases, InvalidRequest};

#[tokio::test]
async fn each_invalid_request_gets_its_problem_and_changes_nothing() {
    let (world, users, _emails, api) = start_both_services("bad").await;
    let user = TestUser { username: "modern1".to_owned(), ..world.test_user("modern") };
    let other = TestUser { username: "other-one".to_owned(), ..world.test_user("other") };
    let _ = register_with_key(&api, "the-key", &user.registration()).await.expect(201);
    let _ = api.register(&other).await.expect(201);
    let used = world.mailbox(&other.email).wait_for_token("/verify-email", 1).await;
    let _ = verify_email(&api, &used).await.expect(204);
    let root = create_admin(&world, &users, "root").await;
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
    table.new_users(&root.api, &root.id);
    table.invalid_invitations(&used);
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
    let mut found = answer.errors();
    let mut expected: Vec<(String, String)> =
        case.errors.iter().map(|(place, code)| ((*place).to_owned(), (*code).to_owned())).collect();
    found.sort();
    expected.sort();
    expect(found == expected, &format!("the mistakes {expected:?}"))
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

async fn dump(world: &World) -> Vec<Document> {
    let mut all = Vec::new();
    for collection in ["users", "sessions", "keys"] {
        all.extend(find_all(&world.user_collection(collection).await, doc! {}).await);
    }
    all
}

#[tokio::test]
async fn an_endless_chunked_body_is_cut_off_at_the_limit() {
    let (_, service, api) = start_user_service("chunked").await;
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
    let _ = api.get("/.well-known/jwks.json").await.expect(200);
}

#[tokio::test]
async fn an_unknown_account_and_a_wrong_password_get_the_same_response() {
    let (world, _service, api) = start_user_service("alike").await;
    let ada = register(&world, &api, "ada").await;
    let mut seen = BTreeSet::new();
    for identifier in [ada.email.as_str(), ada.username.as_str(), "unknown@example.org", "unknown", "no name at all"] {
        let answer = try_login(&api, identifier, "not the password").await;
        let response = ComparableResponse::new(&answer.expect_problem(401, "invalid-credentials"));
        seen.insert(format!("{response:?}"));
    }
    assert_eq!(seen.len(), 1, "{seen:#?}");
}
