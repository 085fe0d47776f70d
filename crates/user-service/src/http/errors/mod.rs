//! Errors: problem details (RFC 9457), and which error of a use case becomes which problem.

pub(super) mod error_mapping;
pub mod field_errors;
pub mod not_found;
pub(super) mod openapi_responses;
pub mod problem;
pub mod problem_type;
pub(super) mod validation;
