//! Wrong passwords of a signed-in user.

use e2e::{rate_limits::register_from, start::start_with_limits};
use serde_json::json;
use test_support::remember_secret;

use crate::requests::{assert_about, seconds_until_reset};

#[tokio::test]
async fn a_stolen_session_can_neither_guess_the_password_nor_lock_the_owner_out() {
    let (world, _service, api) = start_with_limits("again", &[("LOGIN_FREE_FAILURES", "3")]).await;
    let ada = register_from(&world, &api, "203.0.113.1", "ada").await;
    let stolen = api.logged_in_as(&ada).await;
    let own = api.logged_in_as(&ada).await;

    let body =
        |current: &str| json!({ "currentPassword": current, "newPassword": format!("{} changed", ada.password) });
    remember_secret("password", &format!("{} changed", ada.password));
    let path = "/api/users/me/password";
    for left in (0..3).rev() {
        let answer = stolen.put(path, &body("a guess of a password")).await.expect_problem(403, "wrong-password");
        assert!(answer.header("ratelimit").starts_with(&format!("\"password\";r={left};")), "{:?}", answer.headers);
    }
    let limited = stolen.put(path, &body(&ada.password)).await.expect_problem(429, "rate-limited");
    assert_about(seconds_until_reset(&limited), 600);
    let delete = stolen.delete("/api/users/me", Some(&json!({ "password": ada.password }))).await;
    let _ = delete.expect_problem(429, "rate-limited");
    let _ = own.put(path, &body(&ada.password)).await.expect(204);
}

#[tokio::test]
async fn a_password_change_is_counted_before_the_new_password_is_checked() {
    let (world, _service, api) = start_with_limits("orderchange", &[("LOGIN_FREE_FAILURES", "2")]).await;
    let ada = register_from(&world, &api, "203.0.113.1", "ada").await;
    let me = api.logged_in_as(&ada).await;
    let change = async |new: &str| {
        me.put("/api/users/me/password", &json!({ "currentPassword": ada.password, "newPassword": new })).await
    };
    for _ in 0..3 {
        let _ = change("short").await.expect_problem(422, "validation-failed");
    }
    for _ in 0..2 {
        let _ = change("password").await.expect_problem(422, "validation-failed");
    }
    let _ = change("password").await.expect_problem(429, "rate-limited");
}
