//! The public API: wire to domain on the way in, domain to wire on the way out. It
//! calls use cases and knows nothing of what is behind them.

pub mod account_pages;
mod account_texts;
mod admin;
mod audit_body;
mod auth;
pub mod bearer;
pub mod body_schema;
pub mod bounded_answers;
pub mod client_address;
pub mod conditional;
pub mod cross_origin;
pub mod extractor_errors;
pub mod field_error;
pub mod http_metrics;
pub mod json_body;
mod jwks;
pub mod language;
pub mod not_found;
pub mod openapi;
mod outcome;
pub mod pages;
mod paging;
mod panic_boundary;
mod path_id;
pub mod problem;
pub mod problem_pages;
#[cfg(test)]
mod properties;
mod query;
mod rate_limit;
mod refusals;
pub mod request_context;
mod routes;
mod signed_in_admin;
mod signed_in_caller;
mod swagger_ui;
mod users;
mod validation;

pub use bounded_answers::BoundedAnswers;
pub use client_address::{ClientAddressHeader, TrustedProxies};
pub use cross_origin::AllowedOrigins;
pub use http_metrics::HttpMetrics;
pub use panic_boundary::catch_panics;
pub use rate_limit::rate_limit_headers;
pub use request_context::{RequestScope, request_context};
pub use routes::configure;
