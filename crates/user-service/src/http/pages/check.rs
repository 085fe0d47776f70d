//! Checks the pages of a brand before they are used, so that no page fails later because of a missing text or value.

use std::sync::{Arc, Mutex, PoisonError};

use i18n::InvalidFile;

use super::{
    layout::{LINK, Pages},
    link_views::{self, LinkView},
    problem_pages,
    served::OnFailure,
    start_page,
};

/// The values of the user in the pages: a usual one, and one that must be escaped.
const VALUES: [&str; 2] = ["example", "\"'><script>alert(1)</script>&{{ page }}\u{202e}\u{7}"];
/// The fields of forms, by their names.
const FIELDS: [&str; 6] = ["token", "action", "confirmed", "chosenUsername", "newPassword", "email"];

/// Renders every page in every language and state, with all values, and without each value that can be missing.
///
/// # Errors
/// Returns the first template that fails, or whose forms cannot work.
pub(super) fn check(pages: &Arc<Pages>) -> Result<(), InvalidFile> {
    for value in VALUES {
        link_views::views(value).iter().try_for_each(|view| pages.check(LINK, view))?;
    }
    start_page::check(pages)?;
    problem_pages::check(pages)?;
    // The built-in templates take no part of a page for granted.
    if pages.has_own_templates() { check_own_templates(pages) } else { Ok(()) }
}

fn check_own_templates(pages: &Arc<Pages>) -> Result<(), InvalidFile> {
    let failure = Arc::new(Mutex::new(None));
    for localized in pages.in_every_language(&OnFailure::Keep(Arc::clone(&failure))) {
        for value in VALUES {
            link_views::every_page(&localized, value);
        }
    }
    if let Some(error) = failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    let html = pages.link_page("example-title", &LinkView::example())?;
    match missing_part(&html) {
        Some(part) => Err(pages.invalid_link_page(format!("a page with every part has no {part}"))),
        None => Ok(()),
    }
}

/// Returns a part that a page of [`LinkView::example`] needs to work, and does not have.
fn missing_part(html: &str) -> Option<String> {
    let has_field = |name: &str| ['"', '\''].iter().any(|quote| html.contains(&format!("name={quote}{name}{quote}")));
    let shown = [
        ("example-title", "title"),
        ("example-error", "page.error"),
        ("example-status", "page.status"),
        ("example-text", "page.text"),
        ("/example-path", "path of the form"),
        ("example-token", "token of the form"),
        ("example-action", "action of the form"),
        ("example-button", "button of the form"),
    ];
    let missing = shown.iter().find(|(text, _)| !html.contains(text)).map(|(_, name)| format!("`{name}`"));
    missing.or_else(|| FIELDS.iter().find(|name| !has_field(name)).map(|name| format!("field `{name}`")))
}
