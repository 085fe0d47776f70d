//! The public HTTP API: translates requests into calls of use cases, and their results into responses. It knows
//! nothing of the layers behind the use cases.

mod api;
pub mod cookies;
mod endpoints;
pub mod errors;
pub mod extractors;
pub mod middleware;
pub mod openapi;
pub mod pages;
mod percent_encoding;
#[cfg(test)]
mod property_tests;
pub mod request_id;
mod resource;
mod routes;

pub use api::discovery::Discovery;
pub use extractors::client_address::{ClientAddressHeader, TrustedProxies};
pub use middleware::{
    cross_origin::{AllowedOrigins, allow_credentials},
    http_metrics::HttpMetrics,
    panic_boundary::catch_panics,
    rate_limit_headers::rate_limit_headers,
    request_context::{RequestScope, request_context},
    response_memory::ResponseMemory,
};
pub use routes::configure;
