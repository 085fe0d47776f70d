//! The templates of mails and pages: embedded ones, and those of an operator.
//!
//! They are not trusted to be correct. Values are escaped whatever a template does, an undefined value is an error, and
//! the work, the nesting and the output of a template have bounds.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    error::Error as _,
    io::{self, Write},
};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, StringInput, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, filters};
use serde::{Serialize, Serializer};

use super::InvalidFile;

/// The size of a document, unless [`Templates::with_max_bytes`] sets another one.
const MAX_BYTES: usize = 1024 * 1024;
/// The fuel of a rendering in instructions, for an output of [`MAX_BYTES`]. A page uses about 500 and a mail 4,000.
const FUEL: u64 = 100_000;
/// Templates that include each other, and macros that call each other. Each takes a recursion on the stack.
const MAX_DEPTH: usize = 40;
/// The length of the line that an error quotes.
const QUOTED_CHARS: usize = 80;

/// The text of a template, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateSource {
    path: Cow<'static, str>,
    text: Cow<'static, str>,
}

/// A text that is HTML already, and is not escaped. Only for what the program itself has made.
#[derive(Debug, Clone)]
pub struct SafeHtml(Value);

/// A set of compiled templates. Values are escaped as HTML, except in a template whose name ends in `.txt`. An
/// undefined value is an error.
#[derive(Debug)]
pub struct Templates {
    /// The templates of plain text are apart, so that no other template can use one of them, which does not escape.
    html: Environment<'static>,
    plain: Environment<'static>,
    sources: BTreeMap<&'static str, TemplateSource>,
    max_bytes: usize,
}

impl TemplateSource {
    /// Creates a template. Errors name `path`.
    pub fn new(path: impl Into<Cow<'static, str>>, text: impl Into<Cow<'static, str>>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Returns the path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl SafeHtml {
    /// Marks a text as HTML.
    pub fn new(html: impl Into<String>) -> Self {
        Self(Value::from_safe_string(html.into()))
    }
}

impl Serialize for SafeHtml {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Templates {
    /// Compiles templates. Other templates of the set find one by its name.
    ///
    /// # Errors
    /// Returns the first template with a syntax error.
    pub fn new(sources: impl IntoIterator<Item = (&'static str, TemplateSource)>) -> Result<Self, InvalidFile> {
        let mut templates = Self {
            html: environment(AutoEscape::Html),
            plain: environment(AutoEscape::None),
            sources: sources.into_iter().collect(),
            max_bytes: MAX_BYTES,
        };
        for (name, source) in &templates.sources {
            let environment = if is_plain(name) { &mut templates.plain } else { &mut templates.html };
            let added = environment.add_template_owned(*name, source.text.clone());
            added.map_err(|error| templates.failed(name, &error))?;
        }
        Ok(templates)
    }

    /// Sets the size of the largest document, and the fuel in proportion.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        let fuel = FUEL.saturating_mul(bytes.div_ceil(MAX_BYTES).try_into().unwrap_or(u64::MAX));
        for environment in [&mut self.html, &mut self.plain] {
            environment.set_fuel(Some(fuel));
        }
        self
    }

    /// Adds a filter for texts.
    pub fn add_filter(&mut self, name: &'static str, filter: fn(String) -> String) {
        for environment in [&mut self.html, &mut self.plain] {
            environment.add_filter(name, filter);
        }
    }

    /// Renders a template with the members of `values`.
    ///
    /// # Errors
    /// Returns an error if the template does not exist, uses a value that is undefined, or exceeds a bound. It has no
    /// values.
    pub fn render(&self, name: &str, values: &impl Serialize) -> Result<String, InvalidFile> {
        let mut output = BoundedOutput { bytes: Vec::new(), max_bytes: self.max_bytes, is_full: false };
        let environment = if is_plain(name) { &self.plain } else { &self.html };
        let rendered = environment
            .get_template(name)
            .and_then(|template| template.render_captured_to(Serde(values), &mut output).map(drop));
        match (rendered, output.is_full) {
            (Err(_), true) => {
                let path = self.sources.get(name).map_or(name, TemplateSource::path);
                Err(InvalidFile::whole(path, format!("the output is larger than {} bytes", self.max_bytes)))
            }
            (Err(error), false) => Err(self.failed(name, &error)),
            (Ok(()), _) => {
                String::from_utf8(output.bytes).map_err(|_| InvalidFile::whole(name, "the output is not UTF-8"))
            }
        }
    }

    /// Returns the file, the line and the kind of an error. Its details may quote values, unless it is about the syntax;
    /// instead, the line is quoted.
    fn failed(&self, name: &str, error: &Error) -> InvalidFile {
        let error = innermost(error);
        let name = error.name().unwrap_or(name);
        let Some(source) = self.sources.get(name) else {
            return InvalidFile::whole(name, error.kind().to_string());
        };
        let mut problem = error.kind().to_string();
        if let (ErrorKind::SyntaxError, Some(detail)) = (error.kind(), error.detail()) {
            problem = format!("{problem}: {}", detail.replace('\n', " "));
        }
        let line = error.line().and_then(|line| source.text.lines().nth(line.checked_sub(1)?));
        if let Some(line) = line {
            problem.push_str(": ");
            problem.extend(line.trim().chars().filter(|c| !c.is_control()).take(QUOTED_CHARS));
        }
        InvalidFile { file: source.path.clone().into_owned(), line: error.line(), problem }
    }
}

/// Returns the error at the place where the problem is, below those of the templates that include it.
fn innermost(error: &Error) -> &Error {
    let mut found = error;
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<Error>().filter(|cause| cause.line().is_some()) {
            found = cause;
        }
        source = cause.source();
    }
    found
}

fn is_plain(name: &str) -> bool {
    name.ends_with(".txt")
}

/// Returns an environment for templates of one kind. Nothing that a template does changes the kind.
fn environment(kind: AutoEscape) -> Environment<'static> {
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    let mut environment = Environment::new();
    environment.set_syntax(syntax.expect("the usual delimiters are valid"));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_DEPTH);
    environment.set_formatter(if kind == AutoEscape::Html { write_html } else { write_plain });
    environment.set_auto_escape_callback(move |_| kind.clone());
    // They would show all values, or skip the escaping.
    environment.remove_global("debug");
    for filter in ["pprint", "safe"] {
        environment.remove_filter(filter);
    }
    environment.add_filter("replace", replace);
    environment.add_filter("split", split);
    environment
}

/// The filter of minijinja, whose result is escaped: it would stay safe if an escaped character was replaced by itself.
fn replace(state: &mut State<'_, '_>, text: String, from: String, to: String) -> Result<Value, Error> {
    let [text, from, to] = [text, from, to].map(Value::from);
    let [text, from, to] =
        [StringInput::new(state, &text)?, StringInput::new(state, &from)?, StringInput::new(state, &to)?];
    filters::replace(state, text, from, to)
}

/// The filter of minijinja, whose results are escaped, for the same reason.
#[expect(clippy::needless_pass_by_value, reason = "the type of an argument of a filter")]
fn split(text: String, separator: Option<String>, max_splits: Option<i64>) -> Result<Value, Error> {
    filters::split(&Value::from(text), separator.map(Into::into), max_splits)
}

/// Escapes like minijinja, except for `/`: links stay readable in the source. Other than there, `autoescape` changes
/// nothing.
fn write_html(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(html) if value.is_safe() => out.write_str(html),
        Some(text) => out.write_str(&escape_html(text)),
        None => out.write_str(&escape_html(&value.to_string())),
    }
    .map_err(Error::from)
}

fn write_plain(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) => out.write_str(text),
        None => write!(out, "{value}"),
    }
    .map_err(Error::from)
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

/// Collects the output, and fails when it becomes too large.
struct BoundedOutput {
    bytes: Vec<u8>,
    max_bytes: usize,
    is_full: bool,
}

impl Write for BoundedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.max_bytes {
            self.is_full = true;
            return Err(io::Error::other("the output is too large"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn rendered(name: &'static str, source: &'static str, text: &str) -> Result<String, InvalidFile> {
        Templates::new([(name, TemplateSource::new(format!("templates/{name}"), source))])?
            .render(name, &BTreeMap::from([("text", text)]))
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
        assert_eq!(error, "the file `templates/a.html` is invalid: line 2: undefined value: {{ nothing }}");
        assert!(rendered("a.html", "{{ text.nothing }}", "secret").is_err());
        assert!(rendered("a.html", "{% if text %}", "secret").is_err());
        assert!(rendered("a.html", "{% extends \"b.html\" %}", "secret").is_err());
        assert!(Templates::new([]).unwrap().render("a.html", &()).is_err());
    }
}
