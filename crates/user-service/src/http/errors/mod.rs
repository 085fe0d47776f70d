//! Error responses: problem details (RFC 9457), and what the OpenAPI document says about them.

pub mod not_found;
pub mod problem_response;
