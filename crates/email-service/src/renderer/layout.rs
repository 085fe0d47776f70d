//! The layout that all mails share, as HTML and as text.

use i18n::{FilledText, InvalidFile, Templates};
use serde::Serialize;

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

/// The templates of both parts.
struct Layout(Templates);

/// The layout of all mails: that of the brand, if it has one, and the built-in one.
pub(super) struct Layouts {
    built_in: Layout,
    brand: Option<Layout>,
}

impl Layouts {
    pub(super) fn built_in() -> Result<Self, InvalidFile> {
        Ok(Self { built_in: Layout::built_in()?, brand: None })
    }

    /// Renders both parts with the same layout: that of the brand, or the built-in one if that of the brand fails.
    /// Returns the failure, too.
    pub(super) fn render(&self, values: &LayoutValues<'_>) -> Result<(Parts, Option<InvalidFile>), InvalidFile> {
        let failure = match self.brand.as_ref().map(|layout| layout.render(values)) {
            Some(Ok(parts)) => return Ok((parts, None)),
            Some(Err(failure)) => Some(failure),
            None => None,
        };
        Ok((self.built_in.render(values)?, failure))
    }
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

impl Layout {
    /// Returns the built-in layout.
    fn built_in() -> Result<Layout, InvalidFile> {
        let sources =
            [(HTML, include_str!("../../templates/mail.html")), (TEXT, include_str!("../../templates/mail.txt"))];
        Self::new(&sources)
    }

    fn new(sources: &[(&'static str, &'static str)]) -> Result<Layout, InvalidFile> {
        let mut templates = Templates::new(sources)?;
        templates.add_filter("wrap", |text| wrap::wrap(&text, TEXT_WIDTH));
        Ok(Layout(templates))
    }

    /// Renders the text part, wrapped and not escaped, and the HTML part, escaped.
    fn render(&self, values: &LayoutValues<'_>) -> Result<Parts, InvalidFile> {
        Ok(Parts { text: self.0.render(TEXT, values)?, html: self.0.render(HTML, values)? })
    }
}
