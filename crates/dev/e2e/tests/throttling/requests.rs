//! Requests from a chosen network, and the rate limit in their responses.

use bson::{Document, doc};
use e2e::accounts::{user_document, with_cheap_hashes};
use futures_util::TryStreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, ServiceSpec, TestUser, World};

pub(crate) const LOGIN: &str = "/api/auth/login";
pub(crate) const RESEND: &str = "/api/auth/email-verification/resend";
pub(crate) const RESET: &str = "/api/auth/password-reset";
/// The maximum duration of a test's attempts in seconds.
const TOLERANCE: u64 = 20;

/// Enables the limits, takes the network from `X-Forwarded-For`, sets waits that do not end during a test, and makes
/// hashes cheap.
pub(crate) fn with_limits(world: &World) -> ServiceSpec {
    let spec = world.user_service().set("LIMITS__ENABLED", "true").set("HTTP__TRUSTED_PROXIES", "127.0.0.1");
    let spec = spec.set("LIMITS__LOGIN_FIRST_WAIT", "10m").set("LIMITS__LOGIN_MAX_WAIT", "1h");
    with_cheap_hashes(spec)
}

pub(crate) async fn post_from(api: &Api, address: &str, path: &str, body: &Value) -> ApiResponse {
    api.send(api.request(Method::POST, path).header("x-forwarded-for", address).json(body)).await
}

/// Sends a login with a wrong password.
pub(crate) async fn guess_password(api: &Api, address: &str, identifier: &str) -> ApiResponse {
    post_from(api, address, LOGIN, &json!({ "identifier": identifier, "password": "a guess of a password" })).await
}

pub(crate) async fn log_in_from(api: &Api, address: &str, user: &TestUser) -> ApiResponse {
    post_from(api, address, LOGIN, &json!({ "identifier": user.email, "password": user.password })).await
}

/// Everything in a response that could reveal something, except the seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResponseSummary {
    pub(crate) status: u16,
    pub(crate) problem: String,
    pub(crate) detail: String,
    pub(crate) policy: String,
    pub(crate) remaining: String,
    pub(crate) headers: Vec<String>,
}

pub(crate) fn summarize(answer: &ApiResponse) -> ResponseSummary {
    let limit = answer.header("ratelimit");
    let mut headers: Vec<String> = answer.headers.keys().map(|name| name.as_str().to_owned()).collect();
    headers.sort();
    ResponseSummary {
        status: answer.status,
        problem: answer.problem(),
        detail: answer.string("detail"),
        policy: answer.header("ratelimit-policy"),
        remaining: limit.rsplit_once(";t=").map(|(rest, _)| rest.to_owned()).unwrap_or_default(),
        headers,
    }
}

/// Returns the `t` of `RateLimit`, which a refusal repeats as `Retry-After`.
pub(crate) fn seconds_until_reset(answer: &ApiResponse) -> u64 {
    let limit = answer.header("ratelimit");
    let seconds = limit.rsplit_once(";t=").and_then(|(_, t)| t.parse().ok()).expect("RateLimit has a time");
    if answer.status == 429 {
        assert_eq!(answer.header("retry-after"), format!("{seconds}"));
    }
    seconds
}

pub(crate) fn assert_about(seconds: u64, expected: u64) {
    assert!((expected.saturating_sub(TOLERANCE)..=expected).contains(&seconds), "{seconds} is not about {expected}");
}

pub(crate) async fn throttle_rows(world: &World) -> Vec<Document> {
    let rows = world.user_database().await.collection::<Document>("throttles");
    rows.find(doc! {}).await.expect("throttles can be read").try_collect().await.expect("throttles can be read")
}

pub(crate) async fn known_networks(world: &World, user: &TestUser) -> Vec<Document> {
    let document = user_document(world, &user.email).await;
    let known = document.get_array("knownNetworks").expect("the user has known networks");
    known.iter().filter_map(bson::Bson::as_document).cloned().collect()
}
