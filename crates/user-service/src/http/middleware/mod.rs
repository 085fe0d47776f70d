//! The middlewares around the handlers.

pub(super) mod cross_origin;
pub mod http_metrics;
pub(super) mod panic_boundary;
pub(super) mod rate_limit_headers;
pub mod request_context;
pub(super) mod response_memory;
