//! Budgets of networks with a large quota: each replica takes them from the shared row in blocks.

use std::time::Instant;

use e2e::{
    rate_limits::{post_from, with_limits},
    start::start_with_limits,
};
use futures_util::future::join_all;
use serde_json::json;
use test_support::{Api, Stack, World};

use crate::requests::throttle_rows;

const REGISTRATIONS: usize = 100;
/// A tenth of the quota, without the request that asks the shared row.
const UNCOUNTED: usize = REGISTRATIONS / 10 - 1;
/// The quota refills evenly in an hour.
const SECONDS_PER_REGISTRATION: usize = 36;
const LIMITS: [(&str, &str); 2] = [("REGISTRATIONS_PER_NETWORK", "100"), ("REQUESTS_PER_NETWORK", "2000")];
const CONCURRENT: usize = 8;

/// Sends registrations of new users from one network over these replicas in turn. Returns how many were accepted. The
/// names of the users begin with `users`.
async fn register_many(world: &World, replicas: &[&Api], address: &str, users: &str, count: usize) -> usize {
    let registrations: Vec<usize> = (0..count).collect();
    let mut accepted = 0;
    for some in registrations.chunks(CONCURRENT) {
        let answers = some.iter().map(|n| async move {
            let name = format!("{users}{n}");
            let api = replicas[n % replicas.len()];
            post_from(api, address, "/api/users", &world.test_user(&name).registration()).await
        });
        for answer in join_all(answers).await {
            match answer.status {
                201 => accepted += 1,
                _ => assert_eq!(
                    answer.expect_problem(429, "rate-limited").header("ratelimit-policy"),
                    "\"registration\";q=100;w=3600"
                ),
            }
        }
    }
    accepted
}

fn refilled_since(start: Instant) -> usize {
    usize::try_from(start.elapsed().as_secs()).expect("a test is short") / SECONDS_PER_REGISTRATION + 1
}

#[tokio::test]
async fn one_replica_lets_exactly_the_quota_of_a_network_pass() {
    let (world, _service, api) = start_with_limits("budget", &LIMITS).await;
    let start = Instant::now();
    for left in (80..100).rev() {
        let user = world.test_user(&format!("first{left}"));
        let answer = post_from(&api, "203.0.113.1", "/api/users", &user.registration()).await.expect(201);
        assert!(answer.header("ratelimit").starts_with(&format!("\"registration\";r={left};")), "{:?}", answer.headers);
    }
    let accepted = register_many(&world, &[&api], "203.0.113.1", "a", 90).await;
    assert!((80..80 + refilled_since(start)).contains(&accepted), "{accepted}");
    // Other networks have a budget of their own, and refused registrations are not charged.
    let common = world.test_user("common").registration_with("password", "password");
    for _ in 0..30 {
        let _ = post_from(&api, "203.0.113.2", "/api/users", &common).await.expect_problem(422, "validation-failed");
    }
    let accepted = register_many(&world, &[&api], "203.0.113.2", "b", 105).await;
    assert!((100..100 + refilled_since(start)).contains(&accepted), "{accepted}");
}

#[tokio::test]
async fn two_replicas_exceed_the_quota_of_a_network_by_at_most_a_block_each() {
    let world = World::new(&Stack::from_env(), "budgets").await;
    let first = with_limits(&world, &LIMITS);
    let second = first.replica();
    let (first, second) = tokio::join!(first.start(), second.start());
    let (first, second) = (first.api(), second.api());

    // The second replica has not asked the shared row, and does not know yet that nothing is left.
    let start = Instant::now();
    let accepted = register_many(&world, &[&first], "203.0.113.1", "c", 105).await;
    assert!((100..100 + refilled_since(start)).contains(&accepted), "{accepted}");
    let accepted = register_many(&world, &[&second], "203.0.113.1", "d", 20).await;
    assert!((UNCOUNTED..UNCOUNTED + refilled_since(start)).contains(&accepted), "{accepted}");

    let start = Instant::now();
    let accepted = register_many(&world, &[&first, &second], "203.0.113.2", "e", 140).await;
    // What a replica has taken in advance and does not use is at most a block, too.
    let expected = REGISTRATIONS - UNCOUNTED..REGISTRATIONS + 2 * UNCOUNTED + refilled_since(start);
    assert!(expected.contains(&accepted), "{accepted}");
}

#[tokio::test]
async fn a_network_that_sends_less_than_a_block_writes_no_row() {
    let (world, _service, api) = start_with_limits("rows", &[("REQUESTS_PER_NETWORK", "120")]).await;
    let token = json!({ "token": "A".repeat(43) });
    for _ in 0..11 {
        let confirm = post_from(&api, "198.51.100.9", "/api/auth/email-verification", &token).await;
        let _ = confirm.expect_problem(400, "token-invalid");
    }
    assert!(throttle_rows(&world).await.is_empty());
    let confirm = post_from(&api, "198.51.100.9", "/api/auth/email-verification", &token).await;
    let _ = confirm.expect_problem(400, "token-invalid");
    let rows = throttle_rows(&world).await;
    // The requests that came before, and a block.
    assert_eq!(rows.iter().map(|row| row.get_f64("level").expect("a row has a level")).collect::<Vec<_>>(), [23.0]);
}
