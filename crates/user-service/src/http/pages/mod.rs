//! The HTML pages: the pages behind mailed links, and a page for each problem type.

pub(super) mod layout;
pub(super) mod link_handlers;
mod link_page;
mod link_request;
mod link_views;
pub mod problem_pages;
mod texts;

pub use layout::Pages;
