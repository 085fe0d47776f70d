//! The layout that all mails share, as HTML and as text.

use branding::Branding;
use i18n::{FilledText, InvalidFile, TemplateSource, Templates};
use serde::Serialize;
use service_kit::panics;

use super::{brand::BrandView, wrap};

const HTML: &str = "mail.html";
const TEXT: &str = "mail.txt";
/// The width of the text part in columns; a quoted reply fits into 76.
const TEXT_WIDTH: usize = 72;

/// The contents of a mail for the layout. No `Debug`: the link contains a token.
#[derive(Serialize)]
pub(super) struct MailView {
    pub(super) language: String,
    pub(super) is_rtl: bool,
    /// Font families for the language's script, each followed by a comma; may be empty.
    pub(super) fonts: String,
    /// Between a label and its value in the text part, and after a label at the end of a line.
    pub(super) colon: String,
    pub(super) colon_at_end: String,
    pub(super) product: String,
    pub(super) subject: String,
    pub(super) preheader: String,
    pub(super) heading: FilledText,
    pub(super) greeting: FilledText,
    pub(super) paragraphs: Vec<FilledText>,
    pub(super) details: Vec<DetailView>,
    pub(super) link: Option<LinkView>,
    pub(super) not_you_title: String,
    pub(super) not_you: FilledText,
    pub(super) reason: FilledText,
    pub(super) automatic: String,
}

#[derive(Serialize)]
pub(super) struct DetailView {
    pub(super) label: String,
    pub(super) value: FilledText,
}

#[derive(Serialize)]
pub(super) struct LinkView {
    pub(super) paragraphs: Vec<FilledText>,
    pub(super) button: String,
    pub(super) url: String,
    pub(super) fallback: String,
    pub(super) expiry: FilledText,
}

/// The layout of all mails: that of the brand, if it has one, and the built-in one.
pub(super) struct Layouts {
    built_in: Layout,
    brand: Option<Layout>,
}

/// The templates of both parts, and their paths.
struct Layout {
    templates: Templates,
    html: String,
    text: String,
}

/// Both parts of a mail.
pub(super) struct Parts {
    pub(super) text: String,
    pub(super) html: String,
}

/// The values of the templates.
#[derive(Serialize)]
pub(super) struct LayoutValues<'a> {
    pub(super) mail: MailView,
    pub(super) brand: BrandView<'a>,
}

impl Layouts {
    /// Compiles the built-in templates, and those of the brand.
    pub(super) fn new(branding: &Branding) -> Result<Self, InvalidFile> {
        let (html, text) = (branding.template(HTML), branding.template(TEXT));
        let or_built_in = |template: Option<&TemplateSource>, built_in| template.cloned().unwrap_or(built_in);
        let brand = match (html, text) {
            (None, None) => None,
            (html, text) => Some(Layout::new(or_built_in(html, built_in_html()), or_built_in(text, built_in_text()))?),
        };
        Ok(Self { built_in: Layout::new(built_in_html(), built_in_text())?, brand })
    }

    /// Renders both parts with the same layout: that of the brand, or the built-in one if that of the brand fails.
    /// Returns the failure, too.
    pub(super) fn render(&self, values: &LayoutValues<'_>) -> Result<(Parts, Option<InvalidFile>), InvalidFile> {
        let failure = match self.brand.as_ref().map(|layout| layout.render_isolated(values)) {
            Some(Ok(parts)) => return Ok((parts, None)),
            Some(Err(failure)) => Some(failure),
            None => None,
        };
        Ok((self.built_in.render(values)?, failure))
    }

    /// Checks that both parts show this link: a mail without it would be useless.
    pub(super) fn check_link(&self, parts: &Parts, url: &str) -> Result<(), InvalidFile> {
        const PROBLEM: &str = "a mail has a link, and mail.link.url is not shown";
        let layout = self.brand.as_ref().unwrap_or(&self.built_in);
        if !parts.html.contains(&url.replace('&', "&amp;")) {
            return Err(InvalidFile::whole(&layout.html, PROBLEM));
        }
        if !parts.text.contains(url) {
            return Err(InvalidFile::whole(&layout.text, PROBLEM));
        }
        Ok(())
    }

    /// Returns the error about the template of the HTML part.
    pub(super) fn invalid_html(&self, problem: &str) -> InvalidFile {
        InvalidFile::whole(&self.brand.as_ref().unwrap_or(&self.built_in).html, problem)
    }
}

/// Returns the built-in templates by their paths in the folder of a brand.
pub(super) fn built_in_templates() -> Vec<(String, String)> {
    [(HTML, built_in_html()), (TEXT, built_in_text())].map(|(name, it)| (name.to_owned(), it.text().to_owned())).into()
}

fn built_in_html() -> TemplateSource {
    TemplateSource::new("templates/mail.html", include_str!("../../templates/mail.html"))
}

fn built_in_text() -> TemplateSource {
    TemplateSource::new("templates/mail.txt", include_str!("../../templates/mail.txt"))
}

impl Layout {
    fn new(html: TemplateSource, text: TemplateSource) -> Result<Self, InvalidFile> {
        let paths = [html.path().to_owned(), text.path().to_owned()];
        let mut templates = Templates::new([(HTML, html), (TEXT, text)])?;
        templates.add_filter("wrap", |text| wrap::wrap(&text, TEXT_WIDTH));
        let [html, text] = paths;
        Ok(Self { templates, html, text })
    }

    /// Renders the text part, wrapped and not escaped, and the HTML part, escaped.
    fn render(&self, values: &LayoutValues<'_>) -> Result<Parts, InvalidFile> {
        Ok(Parts { text: self.templates.render(TEXT, values)?, html: self.templates.render(HTML, values)? })
    }

    /// Renders both parts with templates of the operator, so that not even a panic or a deep recursion stops the mail.
    fn render_isolated(&self, values: &LayoutValues<'_>) -> Result<Parts, InvalidFile> {
        let render = |name, path: &str| {
            panics::catch_on_stack("template", Templates::STACK_BYTES, || self.templates.render(name, values))
                .unwrap_or_else(|error| Err(InvalidFile::whole(path, error.to_string())))
        };
        Ok(Parts { text: render(TEXT, &self.text)?, html: render(HTML, &self.html)? })
    }
}
