//! The rate limit in a response, and what is stored about networks.

use bson::{Document, doc};
use e2e::accounts::user_document;
use test_support::{ApiResponse, TestUser, World, find_all};

pub(crate) const RESEND: &str = "/api/auth/email-verification/resend";
pub(crate) const RESET: &str = "/api/auth/password-reset";
/// The maximum duration of a test's attempts in seconds.
const TOLERANCE: u64 = 20;

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
    find_all(&world.user_collection("throttles").await, doc! {}).await
}

pub(crate) async fn known_networks(world: &World, user: &TestUser) -> Vec<Document> {
    let document = user_document(world, &user.email).await;
    let known = document.get_array("knownNetworks").expect("the user has known networks");
    known.iter().filter_map(bson::Bson::as_document).cloned().collect()
}
