//! The HTML pages: the pages behind mailed links, and a page for each problem type.

pub mod layout;
pub(super) mod link_handlers;
pub mod link_pages;
mod link_request;
pub mod problem_pages;
mod texts;
