//! Quotas of requests, registrations and mails; limits that are off or cannot be read.

use e2e::{
    comparable_response::ComparableResponse,
    rate_limits::{guess_password, log_in_from, post_from, register_from, with_limits},
    start::start_with_limits,
};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use test_support::{ApiResponse, DEADLINE, ProxyMode, Stack, Tokens, World, wait_for};

use crate::requests::{RESEND, RESET, assert_about, seconds_until_reset, throttle_rows};

#[tokio::test]
async fn requests_and_registrations_of_a_network_are_counted() {
    let (world, service, api) =
        start_with_limits("quota", &[("REQUESTS_PER_NETWORK", "6"), ("REGISTRATIONS_PER_NETWORK", "2")]).await;
    let register = async |name: &str, address: &str| {
        post_from(&api, address, "/api/users", &world.test_user(name).registration()).await
    };
    let first = register("one", "203.0.113.1").await.expect(201);
    assert_eq!(first.header("ratelimit-policy"), "\"registration\";q=2;w=3600");
    let _ = register("two", "203.0.113.1").await.expect(201);
    let third = register("three", "203.0.113.1").await.expect_problem(429, "rate-limited");
    assert_about(seconds_until_reset(&third), 1800);
    let _ = register("three", "203.0.113.2").await.expect(201);

    // Every request to an endpoint that checks a secret counts.
    let token = json!({ "token": "A".repeat(43) });
    let confirm = async || post_from(&api, "198.51.100.9", "/api/auth/email-verification", &token).await;
    for left in (3..6).rev() {
        let answer = confirm().await.expect_problem(400, "token-invalid");
        assert!(answer.header("ratelimit").starts_with(&format!("\"network\";r={left};")), "{:?}", answer.headers);
    }
    for n in 0..3 {
        let _ = guess_password(&api, "198.51.100.9", &world.address(&format!("unknown{n}"))).await.expect(401);
    }
    let over = confirm().await.expect_problem(429, "rate-limited");
    assert_eq!(over.header("ratelimit-policy"), "\"network\";q=6;w=60");
    assert_about(seconds_until_reset(&over), 10);
    // A flood is refused without asking the database.
    let flood = join_all((0..30).map(|_| confirm())).await;
    assert!(flood.iter().all(|answer| answer.status == 429 || answer.status == 400));
    assert!(service.metric("user_service_throttled_total", "scope=\"first_line\"").await >= 1.0);
    assert!(service.metric("user_service_throttled_total", "scope=\"network\"").await >= 1.0);
    let _ = guess_password(&api, "198.51.100.10", &world.address("unknown")).await.expect(401);
}

#[tokio::test]
async fn mails_to_an_address_are_counted_whether_or_not_it_has_an_account() {
    let (world, _service, api) = start_with_limits("mails", &[("MAILS_PER_ADDRESS", "2")]).await;
    let ada = register_from(&world, &api, "203.0.113.1", "ada").await;
    let mut all_responses = Vec::new();
    for (path, email) in
        [RESEND, RESET].into_iter().flat_map(|path| [(path, ada.email.clone()), (path, world.address("unknown"))])
    {
        let mut responses = Vec::new();
        for last in 1..=4 {
            // The requests come from other networks, because this limit protects the address.
            let answer = post_from(&api, &format!("198.51.100.{last}"), path, &json!({ "email": email })).await;
            assert!(seconds_until_reset(&answer) > 0);
            responses.push(ComparableResponse::new(&answer));
        }
        all_responses.push(responses);
    }
    // One kind of mail does not use the quota of the other.
    assert_eq!(all_responses[0].iter().map(|it| it.status).collect::<Vec<_>>(), [202, 202, 429, 429]);
    assert!(all_responses.iter().all(|responses| *responses == all_responses[0]), "{all_responses:#?}");
    assert_eq!(all_responses[0][0].header("ratelimit-policy"), "\"mail\";q=2;w=3600");

    let mut topic = world.topic_reader();
    topic.read_type("user.email_verification_requested.v1", 2).await;
    topic.read_type("user.password_reset_requested.v1", 2).await;
    // This event of the same user comes later, so nothing else was queued before it.
    let _ = log_in_from(&api, "203.0.113.1", &ada).await.expect(200);
    topic.read_type("user.logged_in.v1", 1).await;
    for requested in ["user.email_verification_requested.v1", "user.password_reset_requested.v1"] {
        assert_eq!(topic.read_all_of_type(requested).await.len(), 2, "{requested}");
    }
}

#[tokio::test]
async fn logins_are_refused_while_the_limits_cannot_be_read() {
    let stack = Stack::from_env();
    let (proxy, uri) = stack.mongodb_proxy().await;
    let world = World::new(&stack, "away").await.on_mongodb(uri);
    let service = with_limits(&world, &[]).start().await;
    let api = service.api();
    let unknown = world.address("unknown");
    let _ = guess_password(&api, "198.51.100.1", &unknown).await.expect(401);
    proxy.set_mode(ProxyMode::Refuse);
    let unavailable = guess_password(&api, "198.51.100.1", &unknown).await.expect_problem(503, "unavailable");
    assert!(!unavailable.header("retry-after").is_empty());
    let resend = post_from(&api, "198.51.100.1", RESEND, &json!({ "email": unknown })).await;
    let _ = resend.expect_problem(503, "unavailable");
    proxy.set_mode(ProxyMode::Pass);
    wait_for(DEADLINE, "logins to work again", async || {
        (guess_password(&api, "198.51.100.2", &unknown).await.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn disabled_limits_set_no_headers_and_refuse_no_request() {
    let (world, _service, api) = start_with_limits("off", &[("ENABLED", "false"), ("LOGIN_FREE_FAILURES", "1")]).await;
    for _ in 0..4 {
        let answer = guess_password(&api, "198.51.100.1", &world.address("unknown")).await.expect(401);
        assert!(answer.headers.get("ratelimit").is_none() && answer.headers.get("ratelimit-policy").is_none());
    }
    assert!(throttle_rows(&world).await.is_empty());
}

#[tokio::test]
async fn a_registration_is_counted_before_its_password_is_checked() {
    let (world, _service, api) = start_with_limits(
        "order",
        &[("REQUESTS_PER_NETWORK", "3"), ("REGISTRATIONS_PER_NETWORK", "1"), ("MAILS_PER_ADDRESS", "1")],
    )
    .await;
    let ada = world.test_user("ada");
    let only_error = |answer: ApiResponse, pointer: &str, code: &str| {
        let errors = answer.expect_problem(422, "validation-failed").errors();
        assert_eq!(errors, [(pointer.to_owned(), code.to_owned())]);
    };
    // A member that is too long is refused alone: neither a derived value nor the password is checked.
    let mut long = ada.registration_with("displayName", "Ada Lovelace ".repeat(4000));
    long["password"] = json!("password");
    for _ in 0..4 {
        let answer = post_from(&api, "203.0.113.1", "/api/users", &long).await;
        assert!(answer.headers.get("ratelimit").is_none(), "{:?}", answer.headers);
        only_error(answer, "#/displayName", "too-long");
    }
    let common = ada.registration_with("password", "password");
    // Each refused password counts as a request, but neither as a registration nor as a mail.
    for _ in 0..3 {
        let answer = post_from(&api, "203.0.113.1", "/api/users", &common).await;
        only_error(answer, "#/password", "common");
    }
    let over = post_from(&api, "203.0.113.1", "/api/users", &common).await;
    let over = over.expect_problem(429, "rate-limited");
    assert_eq!(over.header("ratelimit-policy"), "\"network\";q=3;w=60");
    let _ = post_from(&api, "203.0.113.2", "/api/users", &ada.registration()).await.expect(201);
}

#[tokio::test]
async fn a_flood_of_refreshes_and_of_pages_is_refused_by_the_local_limiter() {
    let (world, _service, api) = start_with_limits("flood", &[("REQUESTS_PER_NETWORK", "2")]).await;
    let ada = register_from(&world, &api, "203.0.113.1", "ada").await;
    let tokens = Tokens::from_response(&log_in_from(&api, "203.0.113.2", &ada).await.expect(200));
    let refresh = json!({ "refreshToken": tokens.refresh });

    // The limit is ten a minute: five times the quota of requests.
    let flood = join_all((0..30).map(|_| post_from(&api, "198.51.100.1", "/api/auth/refresh", &refresh))).await;
    let of = |status: u16| flood.iter().filter(|answer| answer.status == status).count();
    assert!(of(429) >= 15 && of(200) + of(401) >= 10, "{:?}", flood.iter().map(|it| it.status).collect::<Vec<_>>());
    let refused = flood.iter().find(|answer| answer.status == 429).expect("a request was refused");
    assert_eq!(
        (refused.problem(), refused.header("ratelimit-policy")),
        ("rate-limited".into(), "\"session\";q=10;w=60".into())
    );
    assert!(seconds_until_reset(refused) > 0);
    let _ = post_from(&api, "198.51.100.1", "/api/auth/logout", &refresh).await.expect_problem(429, "rate-limited");
    // The flood limits neither logins from the same network nor refreshes from another one.
    let _ = guess_password(&api, "198.51.100.1", &world.address("unknown")).await.expect(401);
    let _ = post_from(&api, "198.51.100.2", "/api/auth/logout", &refresh).await.expect(204);

    for path in ["/verify-email", "/reset-password", "/confirm-email", "/undo-email-change"] {
        let page = async |address: &str| {
            let request = api.request(Method::GET, &format!("{path}?token={}", "A".repeat(43)));
            api.send(request.header("x-forwarded-for", address)).await
        };
        let address = format!("198.51.100.{}", 10 + path.len());
        let statuses: Vec<u16> = join_all((0..12).map(|_| page(&address))).await.iter().map(|it| it.status).collect();
        assert!(statuses.iter().filter(|status| **status == 429).count() >= 4, "{path}: {statuses:?}");
        assert!(statuses.iter().filter(|status| **status != 429).count() >= 4, "{path}: {statuses:?}");
    }
}
