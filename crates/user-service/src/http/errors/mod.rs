//! Errors: problem details (RFC 9457), and which error of a use case becomes which problem.

mod error_mapping;
pub mod field_error;
pub mod not_found;
pub mod problem;
pub(super) mod validation;
