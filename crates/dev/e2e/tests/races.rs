//! Concurrent requests: what the conditional writes of decision 2 and the single update of decision 12 guarantee.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bson::doc;
use e2e::{
    accounts::{
        change_password, fail_login, register, register_and_log_in, stored_hash, try_login, wait_for_session_count,
        with_cheap_hashes,
    },
    start::{start_two_replicas, start_user_service, start_user_service_with},
};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    Api, ApiResponse, DEADLINE, Record, Service, Stack, TestUser, Tokens, World, count, wait_for, wait_for_count,
};

/// Refreshes a session and returns the new tokens.
async fn refreshed(api: &Api, tokens: &Tokens) -> Tokens {
    Tokens::from_response(&api.refresh(&tokens.refresh).await.expect(200))
}

/// Checks that none of the refresh tokens works.
async fn assert_refused(api: &Api, all: &[&Tokens]) {
    for tokens in all {
        let _ = api.refresh(&tokens.refresh).await.expect_problem(401, "unauthorized");
    }
}

/// Starts a user service and registers Ada.
async fn start_with_ada(name: &str) -> (World, Service, Api, TestUser) {
    let (world, service, api) = start_user_service(name).await;
    let ada = register(&world, &api, "ada").await;
    (world, service, api, ada)
}

#[tokio::test]
async fn a_login_renews_a_hash_with_other_parameters() {
    let world = World::new(&Stack::from_env(), "rehash").await;
    let before = with_cheap_hashes(world.user_service());
    let after = before.replica().set("HASHING__MEMORY_KIB", "128").set("HASHING__ITERATIONS", "2");
    let (before, after) = tokio::join!(before.start(), after.start());
    let ada = world.test_user("ada");
    let _ = before.api().register(&ada).await.expect(201);
    before.api().login(&ada).await;
    let first = stored_hash(&world, &ada.email).await;
    assert!(first.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{first}");
    fail_login(&after.api(), &ada).await;
    assert_eq!(stored_hash(&world, &ada.email).await, first);

    let tokens = after.api().login(&ada).await;
    let second = stored_hash(&world, &ada.email).await;
    assert!(second.starts_with("$argon2id$v=19$m=128,t=2,p=1$"), "{second}");
    after.api().login(&ada).await;
    assert_eq!(stored_hash(&world, &ada.email).await, second);
    // Renewing a hash is no password change: sessions continue, and no notice is sent.
    let _ = after.api().with_token(&tokens.access).get("/api/users/me").await.expect(200);
    let mut topic = world.topic_reader();
    topic.read_type("user.logged_in.v1", 3).await;
    assert!(topic.records().iter().all(|record| record.event_type() != "user.password_changed.v1"));
}

#[tokio::test]
async fn only_one_of_several_writers_with_the_same_etag_succeeds() {
    let (world, _service, api) = start_user_service("etag").await;
    let (_, me) = register_and_log_in(&world, &api, "ada").await;
    let etag = me.get("/api/users/me").await.expect(200).header("etag");
    let bodies: Vec<Value> = (0..8).map(|n| json!({ "displayName": format!("Ada {n}") })).collect();
    let patch = |body| me.send(me.request(Method::PATCH, "/api/users/me").header("if-match", &etag).json(body));
    let mut statuses: Vec<u16> = join_all(bodies.iter().map(patch)).await.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
}

#[tokio::test]
async fn a_refresh_from_two_tabs_or_after_a_lost_response_gets_the_current_token() {
    let (world, service, api, ada) = start_with_ada("tabs").await;
    let first = api.login(&ada).await;

    let answers = join_all((0..10).map(|_| api.refresh(&first.refresh))).await;
    let current: BTreeSet<String> = answers.iter().map(|answer| Tokens::from_response(answer).refresh).collect();
    assert_eq!(current.len(), 1, "every tab has the same token");
    assert!(answers.iter().all(|answer| answer.status == 200));
    let second = Tokens::from_response(&answers[0]);
    assert_ne!(second.refresh, first.refresh);
    // The response was lost: the previous token gets the current one again.
    let again = refreshed(&api, &first).await;
    assert_eq!(again.refresh, second.refresh);
    let _ = api.with_token(&again.access).get("/api/users/me").await.expect(200);

    let third = refreshed(&api, &second).await;
    let elsewhere = api.login(&ada).await;
    // A client uses a token that is two rotations old: the session ends for all clients.
    let _ = api.refresh(&first.refresh).await.expect_problem(401, "unauthorized");
    assert_refused(&api, &[&third, &second, &first]).await;
    let _ = api.refresh(&elsewhere.refresh).await.expect(200);
    wait_for_session_count(&world, 1).await;
    wait_for_reuse_rows(&world, 1).await;
    assert!(service.metric("user_service_refresh_reuse_total", "").await >= 1.0);
}

#[tokio::test]
async fn the_grace_of_a_previous_refresh_token_is_not_extended_by_its_use() {
    const GRACE: Duration = Duration::from_secs(2);
    let (world, _service, api) =
        start_user_service_with("grace", &[("AUTH__REFRESH_GRACE", "2s"), ("AUTH__REFRESH_RETRY", "0s")]).await;
    let ada = register(&world, &api, "ada").await;
    let first = api.login(&ada).await;
    let before = Instant::now();
    let second = refreshed(&api, &first).await;
    let after = Instant::now();
    let refused = wait_for(DEADLINE, "the end of the grace", async || {
        let answer = api.refresh(&first.refresh).await;
        if answer.status == 200 {
            assert_eq!(Tokens::from_response(&answer).refresh, second.refresh);
            return None;
        }
        Some(answer)
    })
    .await;
    assert!(before.elapsed() >= GRACE, "refused after {:?}", before.elapsed());
    assert!(after.elapsed() < GRACE + Duration::from_secs(2), "refused only after {:?}", after.elapsed());
    let _ = refused.expect_problem(401, "unauthorized");
    let _ = api.refresh(&second.refresh).await.expect_problem(401, "unauthorized");
}

/// Waits until the audit log has this many rows about the reuse of a refresh token.
async fn wait_for_reuse_rows(world: &World, count: u64) {
    wait_for_count(&world.user_collection("audit").await, doc! { "type": "refresh_token_reused" }, count).await;
}

/// Moves the last rotation of every session into the past by `time`.
async fn age_last_rotation(world: &World, time: Duration) {
    let millis = i64::try_from(time.as_millis()).expect("the duration fits");
    let earlier = vec![doc! { "$set": { "rotatedAt": { "$subtract": ["$rotatedAt", millis] } } }];
    let written =
        world.user_collection("sessions").await.update_many(doc! {}, earlier).await.expect("sessions can be written");
    assert!(written.modified_count > 0);
}

const AFTER_GRACE_PERIOD: Duration = Duration::from_secs(33);

/// Refreshes twice with one token, as a client does that lost the first response, with the end of the grace period in
/// between. Returns the tokens of both responses.
async fn refresh_after_lost_response(world: &World, api: &Api, tokens: &Tokens) -> (Tokens, Tokens) {
    let lost = refreshed(api, tokens).await;
    age_last_rotation(world, AFTER_GRACE_PERIOD).await;
    (lost, refreshed(api, tokens).await)
}

#[tokio::test]
async fn a_client_that_lost_the_response_to_a_refresh_gets_another_token_once() {
    let (world, _service, api, ada) = start_with_ada("lostanswer").await;
    let refresh = async |token: &Tokens| refreshed(&api, token).await;

    let first = api.login(&ada).await;
    let (lost, second) = refresh_after_lost_response(&world, &api, &first).await;
    assert!(![&first.refresh, &lost.refresh].contains(&&second.refresh));
    let _ = api.with_token(&second.access).get("/api/users/me").await.expect(200);
    // The response to the second attempt may be lost too, within its own grace period.
    assert_eq!(refresh(&first).await.refresh, second.refresh);

    // The session continues as usual, and the next response may be lost as well.
    let third = refresh(&second).await;
    assert_eq!(refresh(&second).await.refresh, third.refresh);
    age_last_rotation(&world, AFTER_GRACE_PERIOD).await;
    let fourth = refresh(&second).await;
    assert_ne!(fourth.refresh, third.refresh);

    // The retry is allowed once: after its grace period the token is an old one.
    age_last_rotation(&world, AFTER_GRACE_PERIOD).await;
    assert_refused(&api, &[&second, &fourth, &third]).await;

    // The retry is allowed only within `auth.refresh_retry`.
    let first = api.login(&ada).await;
    let second = refresh(&first).await;
    age_last_rotation(&world, Duration::from_secs(60 * 60 + 1)).await;
    assert_refused(&api, &[&first, &second]).await;
    wait_for_session_count(&world, 0).await;
}

#[tokio::test]
async fn alternating_refreshes_by_owner_and_thief_are_detected_at_the_next_refresh() {
    let (world, service, api, ada) = start_with_ada("turns").await;

    for (turn, back) in [("a turn later", Duration::from_secs(15 * 60)), ("at once", Duration::ZERO)] {
        let stolen = api.login(&ada).await;
        let owner = refreshed(&api, &stolen).await;
        age_last_rotation(&world, Duration::from_secs(15 * 60)).await;
        let thief = refreshed(&api, &stolen).await;
        if !back.is_zero() {
            age_last_rotation(&world, back).await;
        }
        // The owner's token was skipped, so its use reveals that there are two holders.
        let answer = api.refresh(&owner.refresh).await;
        assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthorized"), "{turn}");
        let _ = api.refresh(&thief.refresh).await.expect_problem(401, "unauthorized");
        wait_for_session_count(&world, 0).await;
    }
    assert!(service.metric("user_service_refresh_reuse_total", "").await >= 2.0);
    wait_for_reuse_rows(&world, 2).await;
}

#[tokio::test]
async fn a_session_row_of_the_previous_release_is_refreshed_by_the_same_rules() {
    let (world, _service, api, ada) = start_with_ada("oldrows").await;
    let first = api.login(&ada).await;
    let (_lost, third) = refresh_after_lost_response(&world, &api, &first).await;
    let rows = world.user_collection("sessions").await;
    let row = rows.find_one(doc! {}).await.expect("sessions can be read").expect("there is one session");
    assert_eq!((row.get_i64("n").ok(), row.get_i64("retriedFrom").ok()), (Some(3), Some(1)));

    // That release increments the number and keeps a field that it does not know.
    let as_before = vec![doc! { "$set": { "n": 4_i64, "rotatedAt": "$$NOW" } }];
    rows.update_one(doc! {}, as_before).await.expect("sessions can be written");
    let fourth = refreshed(&api, &third).await;
    assert_ne!(fourth.refresh, third.refresh);
    age_last_rotation(&world, AFTER_GRACE_PERIOD).await;
    let fifth = refreshed(&api, &third).await;
    assert_ne!(fifth.refresh, fourth.refresh);
    let _ = refreshed(&api, &fifth).await;
    let row = rows.find_one(doc! {}).await.expect("sessions can be read").expect("there is one session");
    assert_eq!(row.get_i64("n").ok(), Some(6));
    assert!(!row.contains_key("retriedFrom"), "{row}");
}

#[tokio::test]
async fn a_session_that_was_ended_elsewhere_is_not_refreshed() {
    let (world, _service, api, ada) = start_with_ada("elsewhere").await;
    let (own, other) = (api.login(&ada).await, api.login(&ada).await);
    let new = change_password(&api.with_token(&own.access), &ada, "renewed").await;
    let _ = api.with_token(&other.access).get("/api/users/me").await.expect_problem(401, "unauthorized");
    let _ = api.refresh(&other.refresh).await.expect_problem(401, "unauthorized");
    wait_for_session_count(&world, 1).await;
    // The kept session survives refreshes until another session changes the password.
    let kept = refreshed(&api, &own).await;
    let _ = api.with_token(&kept.access).get("/api/users/me").await.expect(200);
    let newest = api.login(&new).await;
    change_password(&api.with_token(&newest.access), &new, "renewed").await;
    let _ = api.with_token(&kept.access).get("/api/users/me").await.expect_problem(401, "unauthorized");
    let _ = api.refresh(&kept.refresh).await.expect_problem(401, "unauthorized");
}

#[tokio::test]
async fn only_one_of_many_registrations_of_one_name_or_address_succeeds() {
    let (world, first, second) = start_two_replicas("signup").await;
    let apis = [first.api(), second.api()];
    let register = async |people: Vec<TestUser>, key: Option<&str>| -> Vec<ApiResponse> {
        let send = |(n, user): (usize, &TestUser)| {
            let api = &apis[n % 2];
            let request = api.request(Method::POST, "/api/users").json(&user.registration());
            let keyed =
                key.map(|key| request.try_clone().expect("the body is not a stream").header("idempotency-key", key));
            api.send(keyed.unwrap_or(request))
        };
        join_all(people.iter().enumerate().map(send)).await
    };
    let ada = world.test_user("ada");

    let with_name = |n: usize| TestUser { username: format!("user-{n}"), ..ada.clone() };
    let answers = register((0..12).map(with_name).collect(), None).await;
    assert_eq!(count_outcomes(&answers), [(201, String::new(), 1), (409, "email-taken".to_owned(), 11)]);

    let modern = ["modern1", "MODERN1", "rnodernl", "modernl", "Modern1", "rnodern1"];
    let with_address = |(n, name): (usize, &&str)| TestUser {
        username: (*name).to_owned(),
        email: world.address(&format!("m{n}")),
        ..ada.clone()
    };
    let answers = register(modern.iter().enumerate().map(with_address).collect(), None).await;
    assert_eq!(count_outcomes(&answers), [(201, String::new(), 1), (409, "username-taken".to_owned(), 5)]);

    let grace = TestUser { username: "grace".to_owned(), email: world.address("grace"), ..ada.clone() };
    let answers = register(vec![grace; 12], Some("one-key")).await;
    assert_eq!(count_outcomes(&answers), [(201, String::new(), 12)]);
    let ids: BTreeSet<String> = answers.iter().map(|answer| answer.string("id")).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");

    assert_eq!(count(&world.user_collection("users").await, doc! {}).await, 3);
    let mut topic = world.topic_reader();
    let registered = topic.read_type("user.registered.v1", 3).await;
    assert_eq!(registered.iter().map(Record::key_text).collect::<BTreeSet<_>>().len(), 3);
}

/// Returns how often each status and problem occurred.
fn count_outcomes(answers: &[ApiResponse]) -> Vec<(u16, String, usize)> {
    let kinds: BTreeSet<(u16, String)> = answers.iter().map(|answer| (answer.status, answer.problem())).collect();
    let count =
        |kind: &(u16, String)| answers.iter().filter(|answer| (answer.status, answer.problem()) == *kind).count();
    kinds.iter().map(|kind| (kind.0, kind.1.clone(), count(kind))).collect()
}

#[tokio::test]
async fn logins_beyond_the_capacity_of_the_hash_pool_are_refused_at_once() {
    let (world, _service, api) = start_user_service_with(
        "overload",
        &[
            ("HASHING__THREADS", "1"),
            ("HASHING__MEMORY_KIB", "19456"),
            ("HASHING__ITERATIONS", "8"),
            ("HASHING__MAX_WAIT", "400ms"),
        ],
    )
    .await;
    let ada = register(&world, &api, "ada").await;

    let started = Instant::now();
    let answers = join_all((0..60).map(|_| try_login(&api, &ada.email, &ada.password))).await;
    let took = started.elapsed();
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    let shed: Vec<&ApiResponse> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(done > 0 && !shed.is_empty(), "{done} of 60 in {took:?}");
    for answer in shed {
        assert_eq!((answer.status, answer.problem().as_str()), (503, "overloaded"), "{}", answer.text);
        let retry_after: u64 = answer.header("retry-after").parse().expect("Retry-After in seconds");
        assert!((1..=60).contains(&retry_after), "{retry_after}");
    }
    assert!(took < Duration::from_secs(15), "{took:?}");
    // The service has recovered without help.
    wait_for(DEADLINE, "a login after the rush", async || {
        (try_login(&api, &ada.email, &ada.password).await.status == 200).then_some(())
    })
    .await;
}
