//! The layout that all mails share, as HTML and as text.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, context, escape_formatter};
use serde::Serialize;

use super::message_pattern::FilledText;
use super::{RenderError, wrap};

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

pub(super) struct Layout(Environment<'static>);

impl Layout {
    pub(super) fn new() -> Result<Layout, RenderError> {
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|error| failed("syntax", &error))?;
        let mut environment = Environment::new();
        environment.set_syntax(syntax);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_formatter(format_escaped);
        environment.add_filter("wrap", wrap_filter);
        environment.add_template(HTML, include_str!("layout/mail.html")).map_err(|error| failed(HTML, &error))?;
        environment.add_template(TEXT, include_str!("layout/mail.txt")).map_err(|error| failed(TEXT, &error))?;
        Ok(Layout(environment))
    }

    /// Renders the HTML part, escaped.
    pub(super) fn html(&self, view: &MailView) -> Result<String, RenderError> {
        self.render(HTML, view)
    }

    /// Renders the text part, wrapped and not escaped.
    pub(super) fn text(&self, view: &MailView) -> Result<String, RenderError> {
        self.render(TEXT, view)
    }

    fn render(&self, layout: &'static str, view: &MailView) -> Result<String, RenderError> {
        self.0
            .get_template(layout)
            .and_then(|template| template.render(context! { mail => Serde(view) }))
            .map_err(|error| failed(layout, &error))
    }
}

/// Returns the kind and the line only: the error's details may quote values.
fn failed(layout: &'static str, error: &Error) -> RenderError {
    RenderError::Layout { layout, problem: format!("{:?} in line {}", error.kind(), error.line().unwrap_or(0)) }
}

/// Escapes like minijinja, except for `/`: links stay readable in the source.
fn format_escaped(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) if *state.auto_escape() == AutoEscape::Html && !value.is_safe() => {
            out.write_str(&escape_html(text)).map_err(Error::from)
        }
        _ => escape_formatter(out, state, value),
    }
}

fn escape_html(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(c),
        }
    }
    html
}

#[expect(clippy::needless_pass_by_value, reason = "filters take their arguments by value")]
fn wrap_filter(text: String) -> String {
    wrap::wrap(&text, TEXT_WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_special_characters_are_escaped() {
        assert_eq!(escape_html("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
    }
}
