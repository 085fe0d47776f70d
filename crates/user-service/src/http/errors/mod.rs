//! Error responses: problem details (RFC 9457), those of OAuth (RFC 6749), and what the OpenAPI document says about them.

pub mod not_found;
pub mod oauth_error_response;
pub mod own_response;
pub mod problem_response;
