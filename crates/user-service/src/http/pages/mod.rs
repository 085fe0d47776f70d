//! The HTML pages: those behind mailed links, and one for each type of problem.

pub mod account_pages;
pub mod layout;
pub(super) mod mailed_links;
pub mod problem_pages;
mod texts;
mod visit;
