//! Adds `RateLimit-Policy` and `RateLimit` (IETF draft "RateLimit header fields for HTTP", version 11) to the responses
//! of rate-limited endpoints, whether or not the request is refused.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::Next,
};

use crate::{
    problem::whole_seconds,
    usecase::{RateLimitStatus, with_rate_limit_status},
};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Adds the headers to each response: `App::wrap(middleware::from_fn(rate_limit_headers))`.
///
/// # Errors
/// Returns the errors of the inner service.
pub async fn rate_limit_headers<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let (response, status) = with_rate_limit_status(next.call(request)).await;
    let mut response = response?;
    if let Some(status) = status {
        for (name, value) in header_fields(&status) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

fn header_fields(status: &RateLimitStatus) -> [(HeaderName, HeaderValue); 2] {
    let RateLimitStatus { policy, quota, window, remaining, reset } = status;
    let reset = if reset.is_zero() { 0 } else { whole_seconds(*reset) };
    let value = |text: String| HeaderValue::from_str(&text).expect("the name of a policy is visible ASCII");
    [
        (POLICY, value(format!("\"{policy}\";q={quota};w={}", whole_seconds(*window)))),
        (LIMIT, value(format!("\"{policy}\";r={remaining};t={reset}"))),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_headers_have_the_form_of_the_draft() {
        let status = RateLimitStatus {
            policy: "login",
            quota: 5,
            window: Duration::from_secs(4500),
            remaining: 0,
            reset: Duration::from_millis(1200),
        };
        let [(policy, quota), (limit, left)] = header_fields(&status);
        assert_eq!((policy.as_str(), quota.to_str().unwrap()), ("ratelimit-policy", "\"login\";q=5;w=4500"));
        assert_eq!((limit.as_str(), left.to_str().unwrap()), ("ratelimit", "\"login\";r=0;t=2"));
        let [_, (_, left)] = header_fields(&RateLimitStatus { remaining: 5, reset: Duration::ZERO, ..status });
        assert_eq!(left.to_str().unwrap(), "\"login\";r=5;t=0");
    }
}
