//! The OpenAPI document, and the page that shows it.

pub mod document;
pub(super) mod swagger_ui;
