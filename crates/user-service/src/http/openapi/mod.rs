//! The OpenAPI document, and Swagger UI that displays it.

pub mod document;
pub(super) mod endpoint;
mod problem_responses;
pub(super) mod swagger_ui;
