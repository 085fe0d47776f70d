//! The OpenAPI document, and Swagger UI that displays it.

pub mod document;
pub(super) mod swagger_ui;
