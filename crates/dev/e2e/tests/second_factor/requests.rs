//! The requests of a login with two factors, and a user who has a second factor.

use bson::doc;
use e2e::{
    accounts::{register_verified, try_login, update_user},
    totp::{Authenticator, STEP, enable_totp, unix_seconds},
};
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, DEADLINE, TestUser, World, remember_secret, wait_for};

/// The subject of the notice that the second factor is off.
pub(crate) const OFF_SUBJECT: &str = "Two-factor authentication is off";

/// Waits for the first half of a time step, so that a test that depends on steps ends before the next one.
pub(crate) async fn wait_for_early_in_step() {
    wait_for(DEADLINE, "the first half of a time step", async || (unix_seconds() % STEP < STEP / 2).then_some(()))
        .await;
}

/// Resets the last used time step, so that its code can be used again.
pub(crate) async fn reset_last_step(world: &World, user: &TestUser) {
    update_user(world, &user.email, doc! { "$set": { "totp.lastStep": 0_i64 } }).await;
}

/// Registers a user with a second factor whose last used time step is reset.
pub(crate) async fn user_with_totp(
    world: &World,
    api: &Api,
    name: &str,
) -> (TestUser, Api, Authenticator, Vec<String>) {
    let (user, me) = register_verified(world, api, name).await;
    let (authenticator, codes) = enable_totp(&me, &user).await;
    reset_last_step(world, &user).await;
    (user, me, authenticator, codes)
}

pub(crate) async fn password_login(api: &Api, user: &TestUser) -> ApiResponse {
    try_login(api, &user.email, &user.password).await
}

/// Logs in with the password and returns the token for the second step.
pub(crate) async fn mfa_token(api: &Api, user: &TestUser) -> String {
    let answer = password_login(api, user).await.expect_problem(401, "mfa-required");
    let token = answer.string("mfaToken");
    assert!(!token.is_empty(), "{}", answer.text);
    remember_secret("mfa token", &token);
    token
}

pub(crate) async fn submit_code(api: &Api, token: &str, code: &str) -> ApiResponse {
    api.post("/api/auth/login/totp", &json!({ "mfaToken": token, "code": code })).await
}

pub(crate) async fn log_in_with_both_factors(api: &Api, user: &TestUser, code: &str) -> ApiResponse {
    submit_code(api, &mfa_token(api, user).await, code).await
}

pub(crate) async fn totp_status(me: &Api) -> Value {
    me.get("/api/users/me/totp").await.expect(200).json()
}
