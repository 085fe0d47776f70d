//! Wrong passwords of a signed-in user.

use serde_json::json;
use test_support::{Stack, World, remember_secret};

use crate::requests::{assert_about, post_from, seconds_until_reset, with_limits};

#[tokio::test]
async fn a_stolen_session_can_neither_guess_the_password_nor_lock_the_owner_out() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "again").await;
    let service = with_limits(&world).set("LIMITS__LOGIN_FREE_FAILURES", "3").start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = post_from(&api, "203.0.113.1", "/api/users", &ada.registration()).await.expect(201);
    let stolen = api.with_token(&api.login(&ada).await.access);
    let own = api.with_token(&api.login(&ada).await.access);

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
    let stack = Stack::from_env();
    let world = World::new(&stack, "orderchange").await;
    let service = with_limits(&world).set("LIMITS__LOGIN_FREE_FAILURES", "2").start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = post_from(&api, "203.0.113.1", "/api/users", &ada.registration()).await.expect(201);
    let me = api.with_token(&api.login(&ada).await.access);
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
