//! The layout of every HTML page, its language, and its headers.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderMap},
    },
    web::Bytes,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use branding::{Brand, Branding, Link, Logo, Support};
use i18n::{Catalogue, Catalogues, InvalidFile, Language, MissingTexts, SafeHtml, TemplateSource, Templates};
use include_dir::{Dir, include_dir};
use serde::Serialize;
use service_kit::panics;
use sha2::{Digest, Sha256};

use super::{on_failure::OnFailure, style, texts::PageTexts};
use crate::problem::Problem;

/// The texts: every file of this folder is a language.
pub(super) static CATALOGUES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/catalogues");

/// The template that all others extend.
pub(super) const LAYOUT: &str = "layout.html";
/// The path of the logo.
pub(super) const LOGO_PATH: &str = "/branding/logo";
/// The template of the start page.
pub(super) const START: &str = "start.html";
/// The template of the pages behind mailed links.
pub(super) const LINK: &str = "link.html";
/// The template of all account pages.
pub(super) const ACCOUNT: &str = "account.html";
/// The template of the page of a problem type.
pub(super) const PROBLEM: &str = "problem.html";
/// The template of the list of problem types.
pub(super) const PROBLEMS: &str = "problems.html";

/// The built-in templates. A brand has them in the folder `pages`.
pub(super) const TEMPLATES: [(&str, &str); 6] = [
    (LAYOUT, include_str!("../../../templates/layout.html")),
    (START, include_str!("../../../templates/start.html")),
    (LINK, include_str!("../../../templates/link.html")),
    (ACCOUNT, include_str!("../../../templates/account.html")),
    (PROBLEM, include_str!("../../../templates/problem.html")),
    (PROBLEMS, include_str!("../../../templates/problems.html")),
];

/// Renders every page in every language with one brand. Immutable.
#[derive(Debug)]
pub struct Pages {
    catalogues: Catalogues<PageTexts>,
    templates: Templates,
    /// The templates without those of the brand, if it has any.
    built_in: Option<Templates>,
    /// The templates of the brand.
    own_files: Vec<(&'static str, String)>,
    style: SafeHtml,
    /// What every page may load: the beginning of its content security policy.
    sources: String,
    brand: Brand,
    logo: Option<PageLogo>,
    support_address: Option<String>,
}

/// The logo of the brand, and its address in a page.
#[derive(Debug)]
pub(super) struct PageLogo {
    address: String,
    pub(super) digest: String,
    pub(super) media_type: &'static str,
    pub(super) bytes: Bytes,
}

impl From<&Logo> for PageLogo {
    fn from(logo: &Logo) -> Self {
        Self {
            // It changes with the logo, so that a cache never delays a new one.
            address: format!("{LOGO_PATH}?v={}", logo.digest),
            digest: logo.digest.clone(),
            media_type: logo.kind.media_type(),
            bytes: Bytes::copy_from_slice(&logo.bytes),
        }
    }
}

/// The values of a template.
#[derive(Serialize)]
struct Values<'a, P> {
    language: &'a str,
    is_rtl: bool,
    style: &'a SafeHtml,
    /// The text of the window title and of the heading.
    title: &'a str,
    brand: BrandView<'a>,
    page: &'a P,
}

/// The brand in the layout.
#[derive(Serialize)]
struct BrandView<'a> {
    product: Option<&'a str>,
    /// The address of the logo.
    logo: Option<&'a str>,
    support: Option<SupportLink<'a>>,
    links: &'a [Link],
    postal_address: &'a [String],
}

/// The link to the support of the brand.
#[derive(Serialize)]
struct SupportLink<'a> {
    text: &'a str,
    url: &'a str,
}

impl Pages {
    /// Makes the pages of this brand. The templates are compiled, but not yet rendered.
    ///
    /// # Errors
    /// Returns the first invalid file.
    pub(super) fn new(branding: &Branding) -> Result<Self, InvalidFile> {
        let built_in = TEMPLATES.map(|(name, text)| (name, TemplateSource::new(format!("templates/{name}"), text)));
        let own = |name: &str| branding.template(&format!("pages/{name}")).cloned();
        let has_own = built_in.iter().any(|(name, _)| own(name).is_some());
        let own_file = |(name, _): &(&'static str, _)| Some((*name, own(name)?.path().to_owned()));
        let own_files = built_in.iter().filter_map(own_file).collect();
        let sources = built_in.clone().map(|(name, source)| (name, own(name).unwrap_or(source)));

        let style = style::sheet(branding)?;
        let hash = BASE64_STANDARD.encode(Sha256::digest(&style));
        let brand = branding.brand.clone();
        let logo = brand.logo.as_ref().map(PageLogo::from);
        let images = if logo.is_some() { " img-src 'self';" } else { "" };
        Ok(Self {
            catalogues: Catalogues::load(&CATALOGUES, branding.overrides())?,
            templates: Templates::new(sources)?,
            built_in: has_own.then(|| Templates::new(built_in)).transpose()?,
            own_files,
            sources: format!("default-src 'none'; style-src 'sha256-{hash}';{images}"),
            style: SafeHtml::new(style),
            support_address: brand.support.as_ref().map(Support::href),
            brand,
            logo,
        })
    }

    /// Returns the logo.
    pub(super) const fn logo(&self) -> Option<&PageLogo> {
        self.logo.as_ref()
    }

    /// Returns whether the brand has templates.
    pub(super) const fn has_own_templates(&self) -> bool {
        self.built_in.is_some()
    }

    /// Returns the pages in every language.
    pub(super) fn in_every_language(self: &Arc<Self>, on_failure: &OnFailure) -> impl Iterator<Item = LocalizedPages> {
        self.catalogues.iter().map(|catalogue| LocalizedPages {
            pages: Arc::clone(self),
            catalogue: Arc::clone(catalogue),
            has_account_pages: true,
            on_failure: on_failure.clone(),
        })
    }

    /// Returns the texts that the new languages of the brand do not have.
    #[must_use]
    pub fn missing_texts(&self) -> &[MissingTexts] {
        self.catalogues.missing()
    }

    /// Creates an error about the pages of a template as a whole. It names the file of the brand.
    pub(super) fn invalid_page(&self, template: &str, problem: String) -> InvalidFile {
        let of = |name: &str| self.own_files.iter().find(|(own, _)| *own == name).map(|(_, path)| path.as_str());
        InvalidFile::whole(of(template).or_else(|| of(LAYOUT)).unwrap_or_default(), problem)
    }

    /// Returns the only style element that browsers use.
    pub(super) fn style_element(&self) -> String {
        format!("<style>{}</style>", self.style.as_str())
    }

    /// Renders a page in English.
    pub(super) fn page_in_english(
        &self,
        template: &str,
        title: &str,
        page: &(impl Serialize + Sync),
    ) -> Result<String, InvalidFile> {
        self.html(&self.templates, self.has_own_templates(), self.catalogues.fallback(), template, title, page)
    }

    /// Renders a page in every language.
    pub(super) fn check(&self, template: &str, page: &(impl Serialize + Sync)) -> Result<(), InvalidFile> {
        let (templates, is_own) = (&self.templates, self.has_own_templates());
        let render = |catalogue: &Arc<_>| self.html(templates, is_own, catalogue, template, "x", page).map(drop);
        self.catalogues.iter().try_for_each(render)
    }

    /// Renders a page with these templates. `is_own` says whether the brand has some of them.
    fn html(
        &self,
        templates: &Templates,
        is_own: bool,
        catalogue: &Catalogue<PageTexts>,
        template: &str,
        title: &str,
        page: &(impl Serialize + Sync),
    ) -> Result<String, InvalidFile> {
        let brand = &self.brand;
        let support = |url| SupportLink { text: &catalogue.texts.footer.support, url };
        let brand = BrandView {
            product: brand.product.as_deref(),
            logo: self.logo.as_ref().map(|logo| logo.address.as_str()),
            support: self.support_address.as_deref().map(support),
            links: &brand.links,
            postal_address: &brand.postal_address,
        };
        let (language, is_rtl) = (catalogue.language.tag.as_str(), catalogue.language.is_rtl);
        let values = Values { language, is_rtl, style: &self.style, title, brand, page };
        if !is_own {
            return templates.render(template, &values);
        }
        // Not even a panic or a deep recursion stops the page.
        panics::catch_on_stack("template", Templates::STACK_BYTES, || templates.render(template, &values))
            .unwrap_or_else(|error| Err(InvalidFile::whole(format!("pages/{template}"), error.to_string())))
    }
}

/// What the headers of a page allow its browser.
#[derive(Debug, Clone, Copy)]
pub(super) struct PagePermissions<'a> {
    /// The origins, besides this one, to which a form or the redirect after it leads: with a space before each.
    pub(super) form_targets: &'a str,
    /// Whether the page may load the scripts of this service, and they may send requests to it.
    pub(super) scripts: bool,
    pub(super) referrer_policy: &'static str,
}

impl PagePermissions<'static> {
    /// The least: for a page whose address may have a secret.
    pub(super) const LEAST: Self = Self { form_targets: "", scripts: false, referrer_policy: "no-referrer" };
}

/// The pages of one brand in the language that the reader prefers. An extractor.
#[derive(Clone)]
pub(in crate::http) struct LocalizedPages {
    pages: Arc<Pages>,
    pub(super) catalogue: Arc<Catalogue<PageTexts>>,
    /// Whether there is a sign-in to which other pages lead.
    pub(super) has_account_pages: bool,
    on_failure: OnFailure,
}

impl LocalizedPages {
    /// Selects the language by `Accept-Language`.
    pub(super) fn new(pages: Arc<Pages>, on_failure: OnFailure, headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::ACCEPT_LANGUAGE).filter_map(|line| line.to_str().ok());
        let catalogue = Arc::clone(pages.catalogues.for_accept_language(lines));
        Self { pages, catalogue, has_account_pages: false, on_failure }
    }

    /// Returns the BCP 47 tag of the language.
    pub(in crate::http) fn tag(&self) -> &str {
        &self.catalogue.language.tag
    }

    /// Returns the languages of all pages.
    pub(super) fn languages(&self) -> impl Iterator<Item = &Language> {
        self.pages.catalogues.iter().map(|catalogue| &catalogue.language)
    }

    /// Returns the same pages in English.
    pub(super) fn in_english(self) -> Self {
        let catalogue = Arc::clone(self.pages.catalogues.fallback());
        Self { catalogue, ..self }
    }

    /// Returns a page without scripts or external resources, with headers that forbid caching, framing, referrers, scripts,
    /// and images other than the logo.
    pub(super) fn response(
        &self,
        status: StatusCode,
        template: &str,
        title: &str,
        page: &(impl Serialize + Sync),
    ) -> HttpResponse {
        self.response_with(PagePermissions::LEAST, status, template, title, page)
    }

    /// Does the same with other permissions.
    pub(super) fn response_with(
        &self,
        permissions: PagePermissions<'_>,
        status: StatusCode,
        template: &str,
        title: &str,
        page: &(impl Serialize + Sync),
    ) -> HttpResponse {
        let PagePermissions { form_targets, scripts, referrer_policy } = permissions;
        let scripts = if scripts { " script-src 'self'; connect-src 'self';" } else { "" };
        let sources = &self.pages.sources;
        let policy =
            format!("{sources}{scripts} form-action 'self'{form_targets}; frame-ancestors 'none'; base-uri 'none'");
        match self.html(template, title, page) {
            Ok(html) => HttpResponse::build(status)
                .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
                .insert_header((header::CONTENT_LANGUAGE, self.tag()))
                .insert_header((header::VARY, "Accept-Language"))
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .insert_header((header::REFERRER_POLICY, referrer_policy))
                .insert_header((header::X_FRAME_OPTIONS, "DENY"))
                .insert_header((header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"))
                .insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"))
                .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
                .insert_header((header::CONTENT_SECURITY_POLICY, policy))
                .body(html),
            Err(error) => HttpResponse::from_error(Problem::internal(error)),
        }
    }

    /// Renders a page; with the built-in templates if those of the brand fail.
    fn html(&self, template: &str, title: &str, page: &(impl Serialize + Sync)) -> Result<String, InvalidFile> {
        let render = |templates, is_own| self.pages.html(templates, is_own, &self.catalogue, template, title, page);
        render(&self.pages.templates, self.pages.has_own_templates()).or_else(|error| match &self.pages.built_in {
            Some(built_in) => {
                self.on_failure.handle(error);
                render(built_in, false)
            }
            None => Err(error),
        })
    }
}

#[cfg(test)]
pub(in crate::http) mod tests {
    use actix_web::{body::MessageBody, http::header::HeaderValue};

    use super::*;
    use crate::http::pages::{ServedPages, link_views::LinkView, tests::branding};

    /// Returns the pages without a brand in the language of this tag.
    pub(in crate::http) fn pages_in(tag: &str) -> LocalizedPages {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_str(tag).unwrap());
        let pages = ServedPages::for_test(&Branding::default()).localized(&headers);
        assert_eq!(pages.catalogue.language.tag, tag);
        pages
    }

    #[test]
    fn a_page_is_private_and_cannot_be_framed_or_scripted() {
        let page = LinkView::default();
        let response = pages_in("de").response(StatusCode::OK, LINK, "A < B", &page);
        let header = |name| response.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(header(header::REFERRER_POLICY), "no-referrer");
        assert_eq!(header(header::CACHE_CONTROL), "no-store");
        assert_eq!(header(header::X_FRAME_OPTIONS), "DENY");
        assert_eq!(header(header::CROSS_ORIGIN_OPENER_POLICY), "same-origin");
        assert_eq!(header(header::CROSS_ORIGIN_RESOURCE_POLICY), "same-origin");
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

    fn html_with(branding: &Branding, tag: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_str(tag).unwrap());
        let pages = ServedPages::for_test(branding).localized(&headers);
        let response = pages.response(StatusCode::OK, LINK, "A title", &LinkView::default());
        String::from_utf8(response.into_body().try_into_bytes().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn a_page_without_a_brand_has_nothing_of_one() {
        let html = html_with(&Branding::default(), "en");
        let (before, after) = html.split_once(include_str!("../../../templates/style.css")).unwrap();
        assert_eq!(
            before,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n\
             <title>A title</title>\n<style>"
        );
        assert_eq!(after, "</style>\n</head>\n<body>\n<main>\n<h1>A title</h1>\n</main>\n</body>\n</html>");
    }

    #[test]
    fn each_part_of_a_brand_is_shown_alone_and_its_texts_are_escaped() {
        let page = |toml: &str| {
            let html = html_with(&branding(&[("brand.toml", toml), (".logo.png", "")]).1, "ar");
            let body = html.split_once("<body>\n").unwrap().1.to_owned();
            (html, body.replace("\n", ""))
        };
        let main = "<main><h1>A title</h1></main>";
        let (html, body) = page("product = \"<A> & \\\"B\\\"\"");
        assert!(html.contains("<title>A title · &lt;A&gt; &amp; &quot;B&quot;</title>"), "{html}");
        assert!(
            body.starts_with(&format!("<header><bdi>&lt;A&gt; &amp; &quot;B&quot;</bdi></header>{main}</body>")),
            "{body}"
        );
        let (html, body) = page("support = \"help@acme.example\"");
        let link = "<li><a href=\"mailto:help@acme.example\">";
        assert!(
            body.starts_with(&format!("{main}<footer><ul>{link}")) && html.contains("<title>A title</title>"),
            "{body}"
        );
        let (_, body) = page("support = \"https://acme.example/?a=1&b=2\"");
        assert!(body.contains("<a href=\"https://acme.example/?a=1&amp;b=2\">"), "{body}");
        let (_, body) = page("links = [{ text = \"<x>\", url = \"https://acme.example\" }]");
        let link = "<li><a href=\"https://acme.example/\"><bdi>&lt;x&gt;</bdi></a></li>";
        assert!(body.contains(&format!("{main}<footer><ul>{link}</ul></footer>")), "{body}");
        let (_, body) = page("postal_address = [\"A\", \"<B>\"]");
        assert!(body.contains("<footer><address dir=\"auto\">A<br>&lt;B&gt;</address></footer>"), "{body}");
        let (html, body) = page("");
        assert!(body.starts_with(&format!("{main}</body>")) && !html.contains("img-src"), "{body}");
    }
}
