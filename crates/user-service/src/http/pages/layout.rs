//! The layout of every HTML page, its language, and its headers.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    http::{
        StatusCode,
        header::{self, HeaderMap},
    },
    web,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use i18n::{Catalogue, Catalogues, InvalidFile, SafeHtml, TemplateSource, Templates};
use include_dir::{Dir, include_dir};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::texts::PageTexts;
use crate::problem::Problem;

/// The texts: every file of this folder is a language.
static CATALOGUES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/catalogues");

/// The template of the start page.
pub(super) const START: &str = "start.html";
/// The template of the pages behind mailed links.
pub(super) const LINK: &str = "link.html";
/// The template of the page of a problem type.
pub(super) const PROBLEM: &str = "problem.html";
/// The template of the list of problem types.
pub(super) const PROBLEMS: &str = "problems.html";

const TEMPLATES: [(&str, &str); 5] = [
    ("layout.html", include_str!("../../../templates/layout.html")),
    (START, include_str!("../../../templates/start.html")),
    (LINK, include_str!("../../../templates/link.html")),
    (PROBLEM, include_str!("../../../templates/problem.html")),
    (PROBLEMS, include_str!("../../../templates/problems.html")),
];

/// The style sheet of all pages. The policy allows only this one, by its hash.
const STYLE: &str = include_str!("../../../templates/style.css");

/// Renders every page in every language. Immutable; part of the application's data.
#[derive(Debug)]
pub struct Pages {
    catalogues: Catalogues<PageTexts>,
    templates: Templates,
    style: SafeHtml,
    security_policy: String,
}

/// The values of a template.
#[derive(Serialize)]
struct Values<'a, P> {
    language: &'a str,
    is_rtl: bool,
    style: &'a SafeHtml,
    /// The text of the window title and of the heading.
    title: &'a str,
    page: &'a P,
}

impl Pages {
    /// Parses the embedded catalogues and templates.
    ///
    /// # Errors
    /// Returns the first invalid file.
    pub(super) fn parse() -> Result<Self, InvalidFile> {
        let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
        Ok(Self {
            catalogues: Catalogues::load(&CATALOGUES, &[])?,
            templates: Templates::new(
                TEMPLATES.map(|(name, text)| (name, TemplateSource::new(format!("templates/{name}"), text))),
            )?,
            style: SafeHtml::new(STYLE),
            security_policy: format!(
                "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
            ),
        })
    }

    /// Renders a page in every language.
    pub(super) fn check(&self, template: &str, page: &impl Serialize) -> Result<(), InvalidFile> {
        self.catalogues.iter().try_for_each(|catalogue| self.html(catalogue, template, "", page).map(drop))
    }

    fn html(
        &self,
        catalogue: &Catalogue<PageTexts>,
        template: &str,
        title: &str,
        page: &impl Serialize,
    ) -> Result<String, InvalidFile> {
        let (language, is_rtl) = (catalogue.language.tag.as_str(), catalogue.language.is_rtl);
        self.templates.render(template, &Values { language, is_rtl, style: &self.style, title, page })
    }
}

/// The pages in the language that the reader prefers. An extractor.
#[derive(Clone)]
pub(in crate::http) struct LocalizedPages {
    pages: Arc<Pages>,
    pub(super) catalogue: Arc<Catalogue<PageTexts>>,
}

impl LocalizedPages {
    /// Selects the language by `Accept-Language`.
    pub(in crate::http) fn new(pages: Arc<Pages>, headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::ACCEPT_LANGUAGE).filter_map(|line| line.to_str().ok());
        let catalogue = Arc::clone(pages.catalogues.for_accept_language(lines));
        Self { pages, catalogue }
    }

    /// Returns the BCP 47 tag of the language.
    pub(in crate::http) fn tag(&self) -> &str {
        &self.catalogue.language.tag
    }

    /// Returns the same pages in English.
    pub(super) fn in_english(self) -> Self {
        let catalogue = Arc::clone(self.pages.catalogues.fallback());
        Self { catalogue, ..self }
    }

    /// Returns a page without scripts, images or external resources, with headers that forbid caching, framing, referrers
    /// and scripts.
    pub(super) fn response(
        &self,
        status: StatusCode,
        template: &str,
        title: &str,
        page: &impl Serialize,
    ) -> HttpResponse {
        match self.pages.html(&self.catalogue, template, title, page) {
            Ok(html) => HttpResponse::build(status)
                .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
                .insert_header((header::CONTENT_LANGUAGE, self.tag()))
                .insert_header((header::VARY, "Accept-Language"))
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .insert_header((header::REFERRER_POLICY, "no-referrer"))
                .insert_header((header::X_FRAME_OPTIONS, "DENY"))
                .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
                .insert_header((header::CONTENT_SECURITY_POLICY, self.pages.security_policy.as_str()))
                .body(html),
            Err(error) => HttpResponse::from_error(Problem::internal(error)),
        }
    }
}

impl FromRequest for LocalizedPages {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pages = request.app_data::<web::Data<Pages>>().cloned();
        let pages = pages.ok_or_else(|| Problem::internal(anyhow::anyhow!("no Pages in the application's data")));
        ready(pages.map(|pages| Self::new(pages.into_inner(), request.headers())))
    }
}

#[cfg(test)]
pub(in crate::http) mod tests {
    use actix_web::{body::MessageBody, http::header::HeaderValue};

    use super::*;

    /// Returns the pages in the language of this tag.
    pub(in crate::http) fn pages_in(tag: &str) -> LocalizedPages {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_str(tag).unwrap());
        let pages = LocalizedPages::new(Arc::new(Pages::parse().unwrap()), &headers);
        assert_eq!(pages.catalogue.language.tag, tag);
        pages
    }

    #[test]
    fn a_page_is_private_and_cannot_be_framed_or_scripted() {
        let page = crate::http::pages::link_views::examples().pop().unwrap();
        let response = pages_in("de").response(StatusCode::OK, LINK, "A < B", &page);
        let header = |name| response.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(header(header::REFERRER_POLICY), "no-referrer");
        assert_eq!(header(header::CACHE_CONTROL), "no-store");
        assert_eq!(header(header::X_FRAME_OPTIONS), "DENY");
        assert_eq!(header(header::CONTENT_LANGUAGE), "de");
        let policy = header(header::CONTENT_SECURITY_POLICY).to_owned();

        let html = String::from_utf8(response.into_body().try_into_bytes().unwrap().to_vec()).unwrap();
        assert!(
            html.starts_with("<!doctype html>\n<html lang=\"de\">") && html.contains("<h1>A &lt; B</h1>"),
            "{html}"
        );
        // The browser computes the hash of the text between the tags.
        let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let hash = BASE64_STANDARD.encode(Sha256::digest(style));
        assert_eq!(
            policy,
            format!(
                "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
            )
        );
    }
}
