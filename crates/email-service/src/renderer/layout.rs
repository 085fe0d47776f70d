//! The layout that all mails share, as HTML and as text.

use i18n::{FilledText, InvalidFile, TemplateSource, Templates};
use serde::Serialize;

use super::wrap;

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

pub(super) struct Layout(Templates);

/// The values of the templates.
#[derive(Serialize)]
struct Values<'a> {
    mail: &'a MailView,
}

impl Layout {
    pub(super) fn new() -> Result<Layout, InvalidFile> {
        let sources = [
            (HTML, TemplateSource::new("templates/mail.html", include_str!("../../templates/mail.html"))),
            (TEXT, TemplateSource::new("templates/mail.txt", include_str!("../../templates/mail.txt"))),
        ];
        let mut templates = Templates::new(sources)?;
        templates.add_filter("wrap", |text| wrap::wrap(&text, TEXT_WIDTH));
        Ok(Layout(templates))
    }

    /// Renders the HTML part, escaped.
    pub(super) fn html(&self, mail: &MailView) -> Result<String, InvalidFile> {
        self.0.render(HTML, &Values { mail })
    }

    /// Renders the text part, wrapped and not escaped.
    pub(super) fn text(&self, mail: &MailView) -> Result<String, InvalidFile> {
        self.0.render(TEXT, &Values { mail })
    }
}
