//! Checks the pages of a brand before they are used, so that no page fails later because of a missing text or value.

use std::sync::{Arc, Mutex, PoisonError};

use actix_web::{HttpResponse, body::MessageBody as _};
use branding::html_structure;
use i18n::InvalidFile;

use super::{
    account::{self, examples::has_field, view::AccountView},
    layout::{ACCOUNT, LINK, Pages},
    link_views::{LinkView, examples},
    on_failure::OnFailure,
    problem_pages, start_page,
};

/// The values of the user in the pages: a usual one, and one that must be escaped.
const VALUES: [&str; 2] = ["example", "\" b='c' d=e><script>alert(1)</script>&{{ page }}\u{202e}\u{7}"];
const UNQUOTED: &str =
    "a value changes the elements or attributes of the page: a value in an attribute needs quotation marks";
/// The fields of forms, by their names.
const FIELDS: [&str; 6] = ["token", "action", "confirmed", "chosenUsername", "newPassword", "email"];

/// Renders every page in every language and state, with all values, and without each value that can be missing.
///
/// # Errors
/// Returns the first template that fails, or whose forms cannot work.
pub(super) fn check(pages: &Arc<Pages>) -> Result<(), InvalidFile> {
    for value in VALUES {
        examples::views(value).iter().try_for_each(|view| pages.check(LINK, view))?;
        account::examples::views(value).iter().try_for_each(|view| pages.check(ACCOUNT, view))?;
    }
    start_page::check(pages)?;
    problem_pages::check(pages)?;
    // The built-in templates take no part of a page for granted.
    if pages.has_own_templates() { check_own_templates(pages) } else { Ok(()) }
}

fn check_own_templates(pages: &Arc<Pages>) -> Result<(), InvalidFile> {
    let failure = Arc::new(Mutex::new(None));
    for localized in pages.in_every_language(&OnFailure::Keep(Arc::clone(&failure))) {
        start_page::every_page(&localized);
        let [usual, hostile] = VALUES.map(|value| examples::every_page(&localized, value));
        if let Some(error) = failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        for ((_, usual), (_, hostile)) in usual.into_iter().zip(hostile) {
            let [usual, hostile] = [usual, hostile].map(html);
            if html_structure(&usual) != html_structure(&hostile) {
                return Err(pages.invalid_page(LINK, UNQUOTED.to_owned()));
            }
        }
    }
    let [usual, hostile] = VALUES.map(account::examples::views);
    for (usual, hostile) in usual.iter().zip(&hostile) {
        let [usual, hostile] = [usual, hostile].map(|view| pages.page_in_english(ACCOUNT, "x", view));
        if html_structure(&usual?) != html_structure(&hostile?) {
            return Err(pages.invalid_page(ACCOUNT, UNQUOTED.to_owned()));
        }
    }
    let title = "example-title";
    check_parts(pages, LINK, &pages.page_in_english(LINK, title, &LinkView::example())?, missing_part)?;
    let account = pages.page_in_english(ACCOUNT, title, &AccountView::example())?;
    check_parts(pages, ACCOUNT, &account, account::examples::missing_part)
}

/// Refuses a page with every part that cannot work.
fn check_parts(
    pages: &Pages,
    template: &str,
    html: &str,
    missing_part: fn(&str) -> Option<String>,
) -> Result<(), InvalidFile> {
    if html.replacen(&pages.style_element(), "", 1).contains("<style") {
        let problem = "a style element has other contents than {{ style }}, so browsers block it: use pages/style.css";
        return Err(pages.invalid_page(template, problem.to_owned()));
    }
    match missing_part(html) {
        Some(part) => Err(pages.invalid_page(template, format!("a page with every part has no {part}"))),
        None => Ok(()),
    }
}

/// Returns the text of a page.
fn html(page: HttpResponse) -> String {
    let bytes = page.into_body().try_into_bytes().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns a part that a page of [`LinkView::example`] needs to work, and does not have.
fn missing_part(html: &str) -> Option<String> {
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
    missing.or_else(|| FIELDS.iter().find(|name| !has_field(html, name)).map(|name| format!("field `{name}`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::pages::{layout::TEMPLATES, make, tests::branding};

    fn built_in(name: &str) -> &'static str {
        TEMPLATES.iter().find(|(built_in, _)| *built_in == name).unwrap().1
    }

    /// Returns the error about a template of the brand, without its folder.
    fn problem(name: &str, text: &str) -> Option<String> {
        let (folder, branding) = branding(&[(name, text)]);
        let error = make(&branding).err()?.to_string();
        Some(error.replace(&format!("{}/", folder.path().display()), ""))
    }

    #[test]
    fn a_template_that_fails_for_some_page_is_refused_with_its_line() {
        let content =
            |text: &str| format!("{{% extends \"layout.html\" %}}\n{{% block content %}}\n{text}\n{{% endblock %}}");
        for (name, text, line) in [
            ("pages/layout.html", "{{ titel }}".to_owned(), 1),
            ("pages/layout.html", "{% if is_rtl %}\n{{ nothing }}{% endif %}".to_owned(), 2),
            ("pages/layout.html", "{{ title|safe }}".to_owned(), 1),
            ("pages/layout.html", "{% block content %}".to_owned(), 1),
            ("pages/start.html", content("{{ page.request.title }}"), 3),
            ("pages/start.html", content("{% if page.state == \"degraded\" %}\n{{ nothing }}{% endif %}"), 4),
            ("pages/problem.html", content("{{ page.title }}"), 3),
            ("pages/problems.html", content("{% for it in page.problems %}\n{{ it.name }}{% endfor %}"), 4),
            ("pages/link.html", content("{{ page.forms[0].checkbox.label }}"), 3),
            ("pages/link.html", content("{% for form in page.forms %}{{ form.account.username }}{% endfor %}"), 3),
            // Both forms of the real page are usual ones, but no example has exactly two.
            (
                "pages/link.html",
                content("{% if page.forms|length == 2 and not page.error %}\n{{ nothing }}{% endif %}"),
                4,
            ),
            ("pages/link.html", content("{% if language == \"ja\" and page.status %}\n{{ nothing }}{% endif %}"), 4),
            (
                "pages/link.html",
                content("{% for x in range(20000) %}\n{% for y in range(20000) %}{{ y }}{% endfor %}{% endfor %}"),
                4,
            ),
        ] {
            let error = problem(name, &text).unwrap_or_else(|| panic!("{text} was accepted"));
            assert!(error.starts_with(&format!("the file `{name}` is invalid: line {line}: ")), "{text}: {error}");
            assert!(!error.contains("alert"), "{error}");
        }
    }

    #[test]
    fn a_page_of_mailed_links_that_lacks_a_part_is_refused() {
        let link = built_in("link.html");
        assert_eq!(problem("pages/link.html", &link.replace("name=\"token\"", "name='token'")), None);
        for (from, to, missing) in [
            ("name=\"token\"", "name=\"tok\"", "field `token`"),
            ("name=\"newPassword\"", "", "field `newPassword`"),
            ("name=\"confirmed\"", "", "field `confirmed`"),
            ("{{ form.path }}", "", "path of the form"),
            ("{{ form.token }}", "", "token of the form"),
            ("{{ form.button }}", "", "button of the form"),
            ("{{ page.error }}", "", "`page.error`"),
            ("{{ page.status }}", "", "`page.status`"),
        ] {
            assert!(link.contains(from));
            let error = problem("pages/link.html", &link.replace(from, to)).unwrap_or_default();
            assert!(error.contains(missing) && error.starts_with("the file `pages/link.html` is invalid: "), "{error}");
        }
        let layout = built_in("layout.html");
        for (from, missing) in [("{% block content %}{% endblock %}", "page.error"), ("{{ title }}", "title")] {
            let error = problem("pages/layout.html", &layout.replace(from, "")).unwrap_or_default();
            assert!(
                error.contains(missing) && error.starts_with("the file `pages/layout.html` is invalid: "),
                "{error}"
            );
        }
    }

    #[test]
    fn a_style_element_that_browsers_would_block_is_refused() {
        let layout = built_in("layout.html");
        let element = "<style>{{ style }}</style>";
        assert_eq!(problem("pages/layout.html", &layout.replace(element, "")), None);
        for other in ["<style>{{ style }} p{margin:0}</style>", "<style>{{ style }}</style><style>p{margin:0}</style>"]
        {
            let error = problem("pages/layout.html", &layout.replace(element, other)).unwrap_or_default();
            assert!(
                error.starts_with("the file `pages/layout.html` is invalid: a style element has"),
                "{other}: {error}"
            );
        }
    }

    #[test]
    fn a_value_in_an_attribute_without_quotation_marks_is_refused() {
        let link = built_in("link.html");
        for (quoted, bare) in [
            ("value=\"{{ form.token }}\"", "value={{ form.token }}"),
            ("value=\"{{ form.address.typed }}\"", "value={{ form.address.typed }}"),
            ("<bdi>{{ form.account.username }}</bdi>", "<bdi title={{ form.account.username }}></bdi>"),
        ] {
            assert!(link.contains(quoted));
            let error = problem("pages/link.html", &link.replace(quoted, bare)).unwrap_or_default();
            assert!(error.contains("needs quotation marks"), "{bare}: {error}");
        }
    }

    #[test]
    fn no_page_has_a_value_as_html() {
        let pages = Arc::new(make(&Default::default()).unwrap());
        let failures = Arc::new(Mutex::new(None));
        let mut seen = 0;
        for localized in pages.in_every_language(&OnFailure::Keep(Arc::clone(&failures))) {
            for (_, response) in examples::every_page(&localized, VALUES[1]) {
                let html = html(response);
                assert!(!html.contains("<script>"), "{html}");
                seen += usize::from(html.contains("&lt;script"));
            }
        }
        assert!(seen > 100 && failures.lock().unwrap().is_none());
    }
}
