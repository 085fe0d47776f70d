//! The metrics of the public API: number, duration and status of requests.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

/// Counter of requests that got a response.
pub const REQUESTS_TOTAL: &str = "http_requests_total";
/// Histogram of the seconds from the head of a request to the head of its response.
pub const REQUEST_DURATION_SECONDS: &str = "http_request_duration_seconds";

const LABELS: &[&str] = &["method", "route", "status"];
/// The range covers a read (about 1 ms), a hash (about 30 ms) and the deadline of a request.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The metrics of all requests. Clones share their counters.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    requests: IntCounterVec,
    durations: HistogramVec,
}

impl HttpMetrics {
    /// Creates the metrics and registers them in `registry`.
    ///
    /// # Errors
    /// Returns an error if they are already registered there.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let requests =
            IntCounterVec::new(Opts::new(REQUESTS_TOTAL, "Requests by method, route and status class."), LABELS)?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                REQUEST_DURATION_SECONDS,
                "Seconds from the head of a request to the head of its response.",
            )
            .buckets(BUCKETS.to_vec()),
            LABELS,
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        Ok(Self { requests, durations })
    }

    /// Counts one request. `status` is `None` if the client disconnected before the response.
    pub fn observe(&self, method: &'static str, route: &str, status: Option<StatusCode>, duration: Duration) {
        let labels = [method, route, status.map_or("aborted", class)];
        self.requests.with_label_values(&labels).inc();
        self.durations.with_label_values(&labels).observe(duration.as_secs_f64());
    }
}

/// Returns the label for a method. Methods are chosen by clients, so unknown ones share the label `other`.
#[must_use]
pub fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_method_route_and_class() {
        let registry = Registry::new();
        let metrics = HttpMetrics::register(&registry).unwrap();
        metrics.observe("GET", "/api/users/me", Some(StatusCode::NOT_MODIFIED), Duration::from_millis(3));
        metrics.observe("GET", "/api/users/me", Some(StatusCode::OK), Duration::from_millis(3));
        metrics.observe("GET", "/api/users/me", None, Duration::from_millis(3));
        for class in ["2xx", "3xx", "aborted"] {
            let labels = ["GET", "/api/users/me", class];
            assert_eq!(metrics.requests.with_label_values(&labels).get(), 1, "{class}");
            assert_eq!(metrics.durations.with_label_values(&labels).get_sample_count(), 1, "{class}");
        }
        assert!(HttpMetrics::register(&registry).is_err());
    }

    #[test]
    fn unknown_methods_share_one_label() {
        assert_eq!(method_label(&Method::from_bytes(b"X1").unwrap()), "other");
        assert_eq!(method_label(&Method::PATCH), "PATCH");
    }
}
