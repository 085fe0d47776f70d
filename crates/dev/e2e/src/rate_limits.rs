//! Requests from a chosen network to a service with rate limits.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, ServiceSpec, TestUser, World};

use crate::accounts::with_cheap_hashes;

const LOGIN: &str = "/api/auth/login";

/// Enables the limits, takes the network from `X-Forwarded-For`, sets waits that do not end during a test, and makes
/// hashes cheap. `limits` are keys of the section `LIMITS`.
#[must_use]
pub fn with_limits(world: &World, limits: &[(&str, &str)]) -> ServiceSpec {
    let spec = with_cheap_hashes(world.user_service()).set("HTTP__TRUSTED_PROXIES", "127.0.0.1");
    let usual = [("ENABLED", "true"), ("LOGIN_FIRST_WAIT", "10m"), ("LOGIN_MAX_WAIT", "1h")];
    usual.iter().chain(limits).fold(spec, |spec, (key, value)| spec.set(&format!("LIMITS__{key}"), *value))
}

/// Sends POST from a network.
pub async fn post_from(api: &Api, address: &str, path: &str, body: &Value) -> ApiResponse {
    api.send(api.request(Method::POST, path).header("x-forwarded-for", address).json(body)).await
}

/// Registers a user from a network.
///
/// # Panics
/// Panics if the registration is refused.
pub async fn register_from(world: &World, api: &Api, address: &str, name: &str) -> TestUser {
    let user = world.test_user(name);
    let _ = post_from(api, address, "/api/users", &user.registration()).await.expect(201);
    user
}

/// Sends a login with a wrong password from a network.
pub async fn guess_password(api: &Api, address: &str, identifier: &str) -> ApiResponse {
    post_from(api, address, LOGIN, &json!({ "identifier": identifier, "password": "a guess of a password" })).await
}

/// Sends a login from a network and returns the response, whatever its status.
pub async fn log_in_from(api: &Api, address: &str, user: &TestUser) -> ApiResponse {
    post_from(api, address, LOGIN, &json!({ "identifier": user.email, "password": user.password })).await
}
