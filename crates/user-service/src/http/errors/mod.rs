//! Errors: problem details (RFC 9457), and the mapping of use case errors to problems.

pub(super) mod error_mapping;
pub mod field_errors;
pub mod not_found;
pub(super) mod openapi_responses;
pub mod problem;
pub mod problem_type;
pub(super) mod validation;
