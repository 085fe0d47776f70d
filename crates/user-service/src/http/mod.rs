//! The public API: wire to domain on the way in, domain to wire on the way out. It
//! calls use cases and knows nothing of what is behind them.

mod api;
pub mod errors;
pub mod extractors;
pub mod middleware;
pub mod openapi;
pub mod pages;
#[cfg(test)]
mod properties;
pub mod request_id;
mod routes;

pub use extractors::client_address::{ClientAddressHeader, TrustedProxies};
pub use middleware::{
    cross_origin::AllowedOrigins,
    http_metrics::HttpMetrics,
    panic_boundary::catch_panics,
    rate_limit_headers::rate_limit_headers,
    request_context::{RequestScope, request_context},
    response_memory::ResponseMemory,
};
pub use routes::configure;
