//! The HTML pages: those behind mailed links, and one for each type of problem.

pub mod account_pages;
pub mod layout;
mod link_request;
pub(super) mod mailed_links;
pub mod problem_pages;
mod texts;
