//! Wrong passwords at the login.

use std::net::Ipv4Addr;

use bson::{DateTime, Document, doc, spec::BinarySubtype};
use e2e::{
    accounts::{update_user, user_document, with_new_password},
    administrators::grant_admin,
    comparable_response::ComparableResponse,
    rate_limits::{guess_password, log_in_from, post_from, register_from, with_limits},
    start::start_with_limits,
};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use test_support::{Api, DEADLINE, Stack, TestUser, Tokens, World, wait_for};

use crate::requests::{RESET, assert_about, known_networks, seconds_until_reset, throttle_rows};

#[tokio::test]
async fn an_unknown_identifier_is_rate_limited_exactly_like_a_known_one() {
    let (world, service, api) = start_with_limits("held", &[("LOGIN_FREE_FAILURES", "3")]).await;
    let ada = register_from(&world, &api, "203.0.113.1", "ada").await;

    let unknown = (world.address("unknown"), "unknown-user".to_owned());
    let identifiers = [&ada.email, &unknown.0, &ada.username, &unknown.1];
    let mut all_responses = Vec::new();
    for (identifier, address) in
        identifiers.into_iter().zip(["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"])
    {
        let mut responses = Vec::new();
        for attempt in 1..=5 {
            let answer = guess_password(&api, address, identifier).await;
            let expected = match attempt {
                1 | 2 => 3600 * attempt,
                _ => 600,
            };
            assert_about(seconds_until_reset(&answer), expected);
            responses.push(ComparableResponse::new(&answer));
        }
        all_responses.push(responses);
    }
    let statuses: Vec<(u16, &str)> = all_responses[0].iter().map(|it| (it.status, it.header("ratelimit"))).collect();
    let left = ["\"login\";r=2", "\"login\";r=1", "\"login\";r=0", "\"login\";r=0", "\"login\";r=0"];
    assert_eq!(statuses, [401, 401, 401, 429, 429].into_iter().zip(left).collect::<Vec<_>>());
    assert!(
        all_responses[0].iter().all(|it| it.header("ratelimit-policy") == "\"login\";q=3;w=10800"),
        "{:?}",
        all_responses[0]
    );
    assert!(all_responses[0][4].body.contains("\"/problems/rate-limited\""), "{:?}", all_responses[0][4]);
    assert!(all_responses.iter().all(|responses| *responses == all_responses[0]), "{all_responses:#?}");
    assert!(service.metric("user_service_throttled_total", "scope=\"login\"").await >= 8.0);
    assert!(service.metric("user_service_logins_total", "outcome=\"throttled\"").await >= 8.0);

    // The right password is refused there too; otherwise the response would allow guessing.
    let limited = log_in_from(&api, "198.51.100.1", &ada).await.expect_problem(429, "rate-limited");
    assert_about(seconds_until_reset(&limited), 600);
    // It is accepted from other networks, and a right password is not counted.
    for _ in 0..10 {
        let answer = log_in_from(&api, "192.0.2.1", &ada).await.expect(200);
        assert_eq!(answer.header("ratelimit"), "\"login\";r=3;t=0");
    }

    let rows = throttle_rows(&world).await;
    let text = format!("{rows:?}");
    for secret in [ada.email.as_str(), &ada.username, &unknown.0, &unknown.1, "198.51.100", "192.0.2"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    // A row for each identifier, for the known network, the mailbox and the registrations of the network.
    assert!(rows.len() >= 7, "{text}");
    for row in &rows {
        let id = row.get("_id").and_then(|id| match id {
            bson::Bson::Binary(id) => Some(id),
            _ => None,
        });
        assert!(id.is_some_and(|id| id.subtype == BinarySubtype::Generic && id.bytes.len() == 32), "{row}");
        assert_eq!(row.get_i32("schemaVersion").ok(), Some(1));
        // After this time the row means the same as no row.
        let (at, expires) = (row.get_datetime("at").ok(), row.get_datetime("expiresAt").ok());
        assert!(at.is_some() && expires >= at, "{row}");
    }
    let database = world.user_database().await;
    wait_for(DEADLINE, "the index that expires rows", async || {
        let indexes = database.run_command(doc! { "listIndexes": "throttles" }).await.ok()?;
        let indexes = indexes.get_document("cursor").ok()?.get_array("firstBatch").ok()?.clone();
        let expiry = |index: &Document| {
            index.get("expireAfterSeconds").is_some()
                && index.get_document("key").is_ok_and(|key| key.contains_key("expiresAt"))
        };
        indexes.iter().filter_map(bson::Bson::as_document).any(expiry).then_some(())
    })
    .await;
}

#[tokio::test]
async fn concurrent_guesses_cannot_exceed_the_limit() {
    let world = World::new(&Stack::from_env(), "burst").await;
    let spec = with_limits(&world, &[("LOGIN_FREE_FAILURES", "3")]);
    let replica = spec.replica();
    let (one, other) = tokio::join!(spec.start(), replica.start());
    let ada = register_from(&world, &one.api(), "203.0.113.1", "ada").await;

    // Both replicas see the same rows.
    let apis = [one.api(), other.api()];
    let guesses = (0..40).map(|n| guess_password(&apis[n % 2], "198.51.100.1", &ada.email));
    let answers = join_all(guesses).await;
    let of = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((of(401), of(429)), (3, 37), "{:?}", answers.iter().map(|it| it.status).collect::<Vec<_>>());
    for api in &apis {
        let _ = log_in_from(api, "198.51.100.1", &ada).await.expect_problem(429, "rate-limited");
    }
}

#[tokio::test]
async fn the_owner_can_log_in_from_a_known_network_during_an_attack() {
    let world = World::new(&Stack::from_env(), "victim").await;
    let spec = with_limits(&world, &[("ACCOUNT_FREE_FAILURES", "4")]);
    let (service, _emails, api) = world.start_both_with(spec).await;
    let ada = register_from(&world, &api, "203.0.113.1", "ada").await;
    let eve = register_from(&world, &api, "203.0.113.1", "eve").await;
    let unknown = world.address("unknown");
    let _ = log_in_from(&api, "203.0.113.7", &ada).await.expect(200);
    let _ = log_in_from(&api, "2001:db8:7:700::1", &ada).await.expect(200);
    let networks = known_networks(&world, &ada).await;
    assert_eq!(networks.len(), 2);

    // Each guess comes from a new address, so the limit per network does not apply.
    let attack = async |identifier: &str| {
        let mut responses = Vec::new();
        for last in 1..=8 {
            let address = Ipv4Addr::new(198, 51, 100, last).to_string();
            let answer = guess_password(&api, &address, identifier).await;
            assert!(seconds_until_reset(&answer) > 0);
            responses.push(ComparableResponse::new(&answer));
        }
        responses
    };
    let responses = attack(&ada.email).await;
    let statuses: Vec<u16> = responses.iter().map(|it| it.status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 429, 429, 429, 429]);
    assert_eq!(attack(&unknown).await, responses, "an unknown identifier");

    // Unknown networks are refused even with the right password; known networks and their neighbours are not.
    let _ = log_in_from(&api, "192.0.2.1", &ada).await.expect_problem(429, "rate-limited");
    for known in ["203.0.113.7", "203.0.113.200", "2001:db8:7:7ff::2"] {
        let answer = log_in_from(&api, known, &ada).await.expect(200);
        assert_eq!(answer.header("ratelimit"), "\"login\";r=5;t=0", "{known}");
    }
    let _ = log_in_from(&api, "2001:db8:7:800::1", &ada).await.expect_problem(429, "rate-limited");
    // Guessing from a known network is limited by that network's own failures.
    for _ in 0..5 {
        let _ = guess_password(&api, "203.0.113.66", &ada.email).await.expect(401);
    }
    let _ = guess_password(&api, "203.0.113.66", &ada.email).await.expect(429);
    let _ = log_in_from(&api, "203.0.113.7", &ada).await.expect(200);
    // From an unknown network the user resets the password by mail; after that the network is known.
    let ada = reset_password_from(&api, &world, "192.0.2.1", &ada).await;
    let _ = log_in_from(&api, "192.0.2.1", &ada).await.expect(200);
    // The account of another user is not affected.
    let _ = log_in_from(&api, "198.51.100.1", &eve).await.expect(200);

    let mut topic = world.topic_reader();
    let locked = topic.read_type("user.locked.v1", 1).await.remove(0);
    let until: jiff::Timestamp =
        locked.json()["until"].as_str().expect("`until` is a text").parse().expect("the time is valid");
    let about = until.as_millisecond() - DateTime::now().timestamp_millis();
    assert!((13 * 60_000..=15 * 60_000).contains(&about), "the lock does not last a quarter of an hour: {about}");
    let mailbox = world.mailbox(&ada.email);
    wait_for(DEADLINE, "the notice", async || {
        mailbox.mails().await.iter().any(|mail| mail.subject.contains("locked")).then_some(())
    })
    .await;

    // The attack continues with another identifier of the account; the owner has already been notified.
    attack(&ada.email).await;
    assert_eq!(attack(&ada.username).await, responses, "the username is another identifier");
    let _ = log_in_from(&api, "203.0.113.7", &ada).await.expect(200);
    topic.read_type("user.logged_in.v1", 9).await;
    assert_eq!(topic.read_all_of_type("user.locked.v1").await.len(), 1);
    assert_eq!(known_networks(&world, &ada).await.len(), 3);

    // An administrator unlocks the account: all networks may try again.
    grant_admin(&service, &eve.email).await;
    let admin =
        api.with_token(&Tokens::from_response(&log_in_from(&api, "198.51.100.1", &eve).await.expect(200)).access);
    let (id, path) = (locked.key_text(), format!("/api/admin/users/{}/unlock", locked.key_text()));
    assert!(locked_until(&world, &ada).await.is_some());
    for _ in 0..2 {
        let _ = admin.send(admin.request(Method::POST, &path)).await.expect(204);
    }
    assert!(locked_until(&world, &ada).await.is_none());
    for address in ["192.0.2.77", "203.0.113.66"] {
        let _ = guess_password(&api, address, &ada.email).await.expect(401);
        let _ = log_in_from(&api, address, &ada).await.expect(200);
    }
    let _ = guess_password(&api, "198.51.100.8", &unknown).await.expect(429);
    let unlocked = topic.read_type("user.unlocked.v1", 1).await.remove(0);
    assert_eq!(unlocked.key_text(), id);
    // The second unlock had nothing to do. The next attack counts as a new one.
    assert_eq!(attack(&ada.username).await, responses);
    topic.read_type("user.locked.v1", 2).await;
    assert_eq!(topic.read_all_of_type("user.unlocked.v1").await.len(), 1);
    for unknown in ["0190d3f0-0000-7000-8000-000000000000", "unknown"] {
        let path = format!("/api/admin/users/{unknown}/unlock");
        let _ = admin.send(admin.request(Method::POST, &path)).await.expect_problem(404, "not-found");
    }
    let _ = api.send(api.request(Method::POST, &path)).await.expect_problem(401, "unauthorized");
}

async fn locked_until(world: &World, user: &TestUser) -> Option<DateTime> {
    let document = user_document(world, &user.email).await;
    document.get_datetime("lockedUntil").ok().copied()
}

/// Resets the password with the mailed link, all from `address`.
async fn reset_password_from(api: &Api, world: &World, address: &str, user: &TestUser) -> TestUser {
    let _ = post_from(api, address, RESET, &json!({ "email": user.email })).await.expect(202);
    let token = world.mailbox(&user.email).wait_for_token("/reset-password", 1).await;
    let renewed = with_new_password(user, "once more");
    let body = json!({ "token": token, "newPassword": renewed.password });
    let _ = post_from(api, address, &format!("{RESET}/confirm"), &body).await.expect(204);
    renewed
}

#[tokio::test]
async fn at_most_eight_networks_are_remembered_for_thirty_days() {
    let (world, _service, api) = start_with_limits("networks", &[("ACCOUNT_FREE_FAILURES", "1")]).await;
    let ada = register_from(&world, &api, "203.0.113.1", "ada").await;
    for third in 1..=10 {
        let _ = log_in_from(&api, &format!("10.0.{third}.1"), &ada).await.expect(200);
    }
    assert_eq!(known_networks(&world, &ada).await.len(), 8);
    let limited = guess_password(&api, "198.51.100.1", &ada.email).await.expect(401);
    assert_eq!(limited.header("ratelimit"), "\"login\";r=4;t=3600");
    let _ = log_in_from(&api, "10.0.2.1", &ada).await.expect(429);
    let _ = log_in_from(&api, "10.0.3.1", &ada).await.expect(200);

    let old = DateTime::from_millis(DateTime::now().timestamp_millis() - 30 * 24 * 60 * 60 * 1000 - 1000);
    update_user(&world, &ada.email, doc! { "$set": { "knownNetworks.$[].lastSeen": old } }).await;
    let _ = log_in_from(&api, "10.0.3.1", &ada).await.expect(429);
}
