//! The HTML pages: the start page, the pages behind mailed links, and a page for each problem type.

pub(super) mod layout;
pub(super) mod link_handlers;
mod link_page;
mod link_request;
mod link_views;
pub mod problem_pages;
pub(super) mod start_page;
mod texts;

use i18n::InvalidFile;
pub use layout::Pages;
pub use start_page::StartPage;

/// Parses the embedded catalogues and templates and checks them completely, so that no page fails later because of a
/// missing text or value.
///
/// # Errors
/// Returns the first invalid file.
pub fn load() -> Result<Pages, InvalidFile> {
    let pages = Pages::parse()?;
    for page in link_views::examples() {
        pages.check(layout::LINK, &page)?;
    }
    problem_pages::check(&pages)?;
    start_page::check(&pages)?;
    Ok(pages)
}
