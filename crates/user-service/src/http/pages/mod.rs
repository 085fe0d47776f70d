//! The HTML pages: the pages behind mailed links, and a page for each problem type.

pub mod account_pages;
pub mod layout;
mod link_request;
pub(super) mod mailed_links;
pub mod problem_pages;
mod texts;
