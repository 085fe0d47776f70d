//! Responses that must be the same, whether or not an account exists.

use std::collections::BTreeMap;

use test_support::ApiResponse;

/// The headers that differ between any two responses.
const VARYING: [&str; 4] = ["date", "x-request-id", "traceparent", "retry-after"];

/// A response without the parts that differ in every request: the request id, the date, and the seconds until a limit
/// resets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparableResponse {
    /// The status code.
    pub status: u16,
    /// The headers. Those that vary have no value.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

impl ComparableResponse {
    /// Removes the parts that vary.
    #[must_use]
    pub fn new(answer: &ApiResponse) -> Self {
        let headers = answer.headers.keys().map(|name| {
            let value = if VARYING.contains(&name.as_str()) { String::new() } else { answer.header(name.as_str()) };
            let value = match value.rsplit_once(";t=") {
                Some((rest, _)) if name == "ratelimit" => rest.to_owned(),
                _ => value,
            };
            (name.as_str().to_owned(), value)
        });
        // Problems repeat the request id.
        let body = answer.text.replace(&answer.header("x-request-id"), "REQUEST");
        Self { status: answer.status, headers: headers.collect(), body }
    }

    /// Returns the value of a header, or an empty text if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}
