//! The templates of mails and pages.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, escape_formatter};
use serde::Serialize;

use super::InvalidFile;

/// A set of compiled templates. Values are escaped as HTML, except in a template whose name ends in `.txt`. An
/// undefined value is an error.
#[derive(Debug)]
pub struct Templates(Environment<'static>);

impl Templates {
    /// Compiles templates, given by name and source.
    ///
    /// # Errors
    /// Returns the first template with a syntax error.
    pub fn new(sources: &[(&'static str, &'static str)]) -> Result<Self, InvalidFile> {
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        let mut environment = Environment::new();
        environment.set_syntax(syntax.expect("the usual delimiters are valid"));
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(
            |name| {
                if name.ends_with(".txt") { AutoEscape::None } else { AutoEscape::Html }
            },
        );
        environment.set_formatter(format_escaped);
        for (name, source) in sources {
            environment.add_template(name, source).map_err(|error| failed(name, &error))?;
        }
        Ok(Self(environment))
    }

    /// Adds a filter for texts.
    pub fn add_filter(&mut self, name: &'static str, filter: fn(String) -> String) {
        self.0.add_filter(name, filter);
    }

    /// Renders a template with the members of `values`.
    ///
    /// # Errors
    /// Returns an error if the template does not exist, or uses a value that is undefined.
    pub fn render(&self, name: &str, values: &impl Serialize) -> Result<String, InvalidFile> {
        self.0
            .get_template(name)
            .and_then(|template| template.render(Serde(values)))
            .map_err(|error| failed(name, &error))
    }
}

/// Returns the kind and the line only: the error's details may quote values.
fn failed(name: &str, error: &Error) -> InvalidFile {
    let problem = format!("{:?} in line {}", error.kind(), error.line().unwrap_or(0));
    InvalidFile { file: format!("templates/{name}"), problem }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn rendered(name: &'static str, source: &'static str, text: &str) -> Result<String, InvalidFile> {
        Templates::new(&[(name, source)])?.render(name, &BTreeMap::from([("text", text)]))
    }

    #[test]
    fn hostile_text_is_escaped_in_every_template_except_plain_text() {
        for (text, html) in [
            ("plain ü a/b", "plain ü a/b"),
            ("", ""),
            ("<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"),
            ("\"><img src=x onerror=y>", "&quot;&gt;&lt;img src=x onerror=y&gt;"),
            ("&amp;", "&amp;amp;"),
            ("a&&b", "a&amp;&amp;b"),
            ("{{ text }}", "{{ text }}"),
        ] {
            for name in ["a.html", "a"] {
                assert_eq!(rendered(name, "<p title=\"{{ text }}\">", text).unwrap(), format!("<p title=\"{html}\">"));
            }
            assert_eq!(rendered("a.txt", "{{ text }}", text).unwrap(), text);
        }
    }

    #[test]
    fn an_undefined_value_or_an_invalid_template_is_an_error_without_the_values() {
        let error = rendered("a.html", "\n{{ nothing }}", "secret").unwrap_err().to_string();
        assert_eq!(error, "the file `templates/a.html` is invalid: UndefinedError in line 2");
        assert!(rendered("a.html", "{{ text.nothing }}", "secret").is_err());
        assert!(rendered("a.html", "{% if text %}", "secret").is_err());
        assert!(rendered("a.html", "{% extends \"b.html\" %}", "secret").is_err());
        assert!(Templates::new(&[]).unwrap().render("a.html", &()).is_err());
    }
}
