//! The extractors: each reads and validates one part of a request for the handlers.

pub(super) mod accept;
pub mod bearer_token;
pub mod body_schema;
pub mod client_address;
pub mod conditional;
pub mod extractor_errors;
pub mod form;
mod forwarding_headers;
pub mod json_body;
pub(super) mod oauth_request;
pub(super) mod paging;
pub(super) mod parameters;
pub(super) mod requests;
