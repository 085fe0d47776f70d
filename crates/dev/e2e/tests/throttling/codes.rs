//! Wrong codes of the second factor.

use e2e::{
    accounts::mark_email_verified,
    rate_limits::{log_in_from, post_from, register_from},
    start::start_with_limits,
    totp::{Authenticator, enable_totp},
};
use serde_json::json;
use test_support::{Api, ApiResponse, TestUser, Tokens, World, remember_secret};

use crate::requests::{assert_about, seconds_until_reset};

/// Logs in from a network and enables the second factor.
async fn enable_totp_from(world: &World, api: &Api, address: &str, user: &TestUser) -> Authenticator {
    let tokens = Tokens::from_response(&log_in_from(api, address, user).await.expect(200));
    mark_email_verified(world, user).await;
    enable_totp(&api.with_token(&tokens.access), user).await.0
}

/// Logs in with the password and this code from a network, and returns the response to the code.
async fn log_in_with_code(api: &Api, address: &str, user: &TestUser, code: &str) -> ApiResponse {
    let first = log_in_from(api, address, user).await.expect_problem(401, "mfa-required");
    let token = first.string("mfaToken");
    remember_secret("mfa token", &token);
    post_from(api, address, "/api/auth/login/totp", &json!({ "mfaToken": token, "code": code })).await
}

#[tokio::test]
async fn wrong_codes_are_rate_limited_like_wrong_passwords() {
    let (world, service, api) =
        start_with_limits("codes", &[("LOGIN_FREE_FAILURES", "3"), ("ACCOUNT_FREE_FAILURES", "5")]).await;
    let ada = register_from(&world, &api, "203.0.113.1", "ada").await;
    let authenticator = enable_totp_from(&world, &api, "203.0.113.7", &ada).await;

    // An attacker who knows the password is limited at the code, however often the attacker logs in.
    let second_step = async |address: &str, code: &str| log_in_with_code(&api, address, &ada, code).await;
    for left in (0..3).rev() {
        let answer = second_step("198.51.100.1", "abc-def").await.expect_problem(401, "invalid-credentials");
        assert!(answer.header("ratelimit").starts_with(&format!("\"code\";r={left};")), "{:?}", answer.headers);
    }
    let limited = second_step("198.51.100.1", &authenticator.code_at(1)).await.expect_problem(429, "rate-limited");
    assert_about(seconds_until_reset(&limited), 600);
    for _ in 0..2 {
        let _ = second_step("198.51.100.2", "abc-def").await.expect(401);
    }
    let limited = second_step("198.51.100.3", &authenticator.code_at(1)).await.expect_problem(429, "rate-limited");
    assert_about(seconds_until_reset(&limited), 900);
    // The owner is not locked out, and is notified that an attacker knows the password.
    let logged_in = second_step("203.0.113.7", &authenticator.code_at(1)).await.expect(200);
    assert_eq!(logged_in.header("ratelimit"), "\"code\";r=3;t=0");
    let _ = Tokens::from_response(&logged_in);
    world.topic_reader().read_type("user.locked.v1", 1).await;
    assert!(service.metric("user_service_throttled_total", "scope=\"code\"").await >= 1.0);
    assert!(service.metric("user_service_throttled_total", "scope=\"account\"").await >= 1.0);
}

#[tokio::test]
async fn wrong_codes_are_counted_per_known_network_and_the_owner_is_notified() {
    let (world, _service, api) =
        start_with_limits("neighbours", &[("LOGIN_FREE_FAILURES", "3"), ("ACCOUNT_FREE_FAILURES", "4")]).await;
    let ada = register_from(&world, &api, "203.0.113.1", "ada").await;
    let _ = log_in_from(&api, "2001:db8:7:700::1", &ada).await.expect(200);
    let authenticator = enable_totp_from(&world, &api, "203.0.113.7", &ada).await;
    let second_step = async |address: &str, code: &str| log_in_with_code(&api, address, &ada, code).await;

    // An attacker in the same network knows the password and uses another address for each guess.
    for last in 101..104 {
        let _ = second_step(&format!("203.0.113.{last}"), "abc-def").await.expect_problem(401, "invalid-credentials");
    }
    let limited = second_step("203.0.113.104", &authenticator.code_at(1)).await.expect_problem(429, "rate-limited");
    assert_about(seconds_until_reset(&limited), 600);
    // The fourth wrong code of all known networks together notifies the owner.
    let _ = second_step("2001:db8:7:7ff::2", "abc-def").await.expect_problem(401, "invalid-credentials");
    world.topic_reader().read_type("user.locked.v1", 1).await;
    // The limit of the account is reached: it refuses unknown networks, but not the owner's other network.
    let _ = second_step("192.0.2.1", &authenticator.code_at(1)).await.expect_problem(429, "rate-limited");
    let _ = Tokens::from_response(&second_step("2001:db8:7:700::3", &authenticator.code_at(1)).await.expect(200));
}
