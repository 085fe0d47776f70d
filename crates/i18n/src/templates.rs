//! The templates of mails and pages: embedded ones, and those of an operator.
//!
//! They are not trusted to be correct. Values are escaped whatever a template does, an undefined value is an error, and
//! the work, the nesting and the output of a template have bounds.

use std::{borrow::Cow, collections::BTreeMap, error::Error as _, io};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use serde::{Serialize, Serializer};

use super::InvalidFile;

/// The size of a document, unless [`Templates::with_max_bytes`] sets another one.
const MAX_BYTES: usize = 1024 * 1024;
/// The fuel of a rendering in instructions, for an output of [`MAX_BYTES`]. The built-in pages use
/// at most 700, and the mails 1,200.
const FUEL: u64 = 100_000;
/// Templates that include each other, and macros that call each other. Each takes a recursion on the stack.
const MAX_DEPTH: usize = 40;
/// The length of the longest tag. A compiler takes a recursion for each part of an expression.
const MAX_TAG_BYTES: usize = 1000;
/// Conditions that are tried one after the other, for the same reason.
const MAX_ELIFS: usize = 100;
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

    /// Returns the HTML.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str().unwrap_or_default()
    }
}

impl Serialize for SafeHtml {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Templates {
    /// The stack on which [`Templates::render`] needs no more than there is, whatever the template does: to drop, to show
    /// or to compare a list takes a recursion for each list in it, and the fuel is enough for 50,000. They took less than
    /// 64 MiB without optimisation.
    pub const STACK_BYTES: usize = 128 * 1024 * 1024;

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
            if let Some(at) = too_long_tag(&source.text) {
                let problem = format!("a tag is longer than {MAX_TAG_BYTES} bytes");
                return Err(InvalidFile::at(source.path.to_string(), &source.text, at, problem));
            }
            if let Some((at, _)) = source.text.match_indices("elif").nth(MAX_ELIFS) {
                let problem = format!("there are more than {MAX_ELIFS} `elif`");
                return Err(InvalidFile::at(source.path.to_string(), &source.text, at, problem));
            }
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

    /// Renders a template with the members of `values`. A template that is not built in may panic, because minijinja does
    /// at some expressions, and needs a thread with [`Templates::STACK_BYTES`].
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
        let mut problem = match error.kind() {
            ErrorKind::OutOfFuel => "it does not end, or is too much work".to_owned(),
            ErrorKind::NonPrimitive => {
                "a value with members, or a list, is shown as if it were a text; the comment in the built-in template \
                 describes the values"
                    .to_owned()
            }
            kind => kind.to_string(),
        };
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

/// Returns where a tag begins that is longer than [`MAX_TAG_BYTES`].
fn too_long_tag(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('{')) {
        let start = at + found;
        at = match bytes.get(start + 1) {
            // A comment has no parts.
            Some(b'#') => text[start..].find("#}").map_or(bytes.len(), |length| start + length + 2),
            Some(b'{' | b'%') => start + tag_length(&bytes[start..]),
            _ => start + 1,
        };
        if bytes.get(start + 1) != Some(&b'#') && at - start > MAX_TAG_BYTES {
            return Some(start);
        }
    }
    None
}

/// Returns the length of the tag at the beginning. Its end does not count within a string.
fn tag_length(bytes: &[u8]) -> usize {
    let (mut string, mut escaped) = (None, false);
    for (at, byte) in bytes.iter().copied().enumerate().skip(2) {
        match (string, byte) {
            _ if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(quote), _) if byte == quote => string = None,
            (None, b'"' | b'\'') => string = Some(byte),
            (None, b'}') if matches!(bytes[at - 1], b'}' | b'%') => return at + 1,
            _ => {}
        }
    }
    bytes.len()
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
    environment
}

/// Escapes like minijinja, except for `/`: links stay readable in the source. Other than there, `autoescape` changes
/// nothing.
fn write_html(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = shown(value)?;
    out.write_str(&if value.is_safe() { text } else { Cow::Owned(escape_html(&text)) })?;
    Ok(())
}

fn write_plain(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    out.write_str(&shown(value)?)?;
    Ok(())
}

/// Returns a text, a number or a truth value as a text. To show a list, or a value that is not there, is a mistake.
fn shown(value: &Value) -> Result<Cow<'_, str>, Error> {
    match value.kind() {
        ValueKind::String => Ok(Cow::Borrowed(value.as_str().unwrap_or_default())),
        ValueKind::Number | ValueKind::Bool => Ok(Cow::Owned(value.to_string())),
        ValueKind::None | ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        _ => Err(Error::from(ErrorKind::NonPrimitive)),
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

/// Collects the output, and fails when it becomes too large.
struct BoundedOutput {
    bytes: Vec<u8>,
    max_bytes: usize,
    is_full: bool,
}

impl io::Write for BoundedOutput {
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

    use corpus::corpus;
    use proptest::prelude::*;

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
    fn an_undefined_value_or_an_invalid_template_is_an_error_with_its_line_and_without_values() {
        for (source, expected) in [
            ("\n{{ nothing }}", "line 2: undefined value: {{ nothing }}"),
            ("{{ text.nothing }}", "line 1: undefined value: {{ text.nothing }}"),
            ("{% if nothing %}{% endif %}", "line 1: undefined value: {% if nothing %}{% endif %}"),
            ("{% for x in nothing %}{% endfor %}", "line 1: undefined value: {% for x in nothing %}{% endfor %}"),
            ("\n\n{{ text|safe }}", "line 3: unknown filter: {{ text|safe }}"),
            ("{{ text|map('x') }}", "line 1: unknown filter: {{ text|map('x') }}"),
            (
                "{% for a in range(9999) %}\n{% for b in range(9999) %}{% endfor %}{% endfor %}",
                "line 2: it does not end, or is too much work: {% for b in range(9999) %}{% endfor %}{% endfor %}",
            ),
            (
                "{{ [text] }}",
                "line 1: a value with members, or a list, is shown as if it were a text; the comment in the built-in \
                 template describes the values: {{ [text] }}",
            ),
            ("{{ text + 1 }}", "line 1: invalid operation: {{ text + 1 }}"),
            ("{% extends \"b.html\" %}", "line 1: template not found: {% extends \"b.html\" %}"),
            ("{% include text %}", "line 1: template not found: {% include text %}"),
            ("a\n{% if text %}", "line 2: syntax error: unexpected end of input, expected end of block: {% if text %}"),
            ("{{ text }", "line 1: syntax error: unexpected `}`, expected end of variable block: {{ text }"),
        ] {
            let error = rendered("a.html", source, "secret").unwrap_err().to_string();
            assert_eq!(error, format!("the file `templates/a.html` is invalid: {expected}"));
        }
        assert!(Templates::new([]).unwrap().render("a.html", &()).is_err());
    }

    #[test]
    fn an_error_in_an_included_template_names_that_template() {
        let sources = [
            ("a.html", TemplateSource::new("/brand/a.html", "\n{% include \"b.html\" %}")),
            (
                "b.html",
                TemplateSource::new("/brand/b.html", "{% extends \"c.html\" %}{% block x %}{{ x }}{% endblock %}"),
            ),
            ("c.html", TemplateSource::new("/brand/c.html", "\n\n{% block x %}{% endblock %}{{ nothing }}")),
        ];
        let error = Templates::new(sources.clone()).unwrap().render("a.html", &BTreeMap::from([("x", "1")]));
        let expected =
            "the file `/brand/c.html` is invalid: line 3: undefined value: {% block x %}{% endblock %}{{ nothing }}";
        assert_eq!(error.unwrap_err().to_string(), expected);
        let error = Templates::new(sources).unwrap().render("a.html", &BTreeMap::from([("y", "1")])).unwrap_err();
        assert_eq!((error.file.as_str(), error.line), ("/brand/b.html", Some(1)));
    }

    #[test]
    fn html_of_the_program_is_not_escaped() {
        let templates = Templates::new([("a.html", TemplateSource::new("a.html", "{{ style }}{{ text }}"))]).unwrap();
        #[derive(Serialize)]
        struct Values {
            style: SafeHtml,
            text: &'static str,
        }
        let values = Values { style: SafeHtml::new("a > b{content:\"&\"}"), text: "<" };
        assert_eq!(templates.render("a.html", &values).unwrap(), "a > b{content:\"&\"}&lt;");
    }

    /// Expressions that show `text`, or a part of it.
    const SHOWING: &[&str] = &[
        "{{ text }}",
        "{{ [text]|string }}{{ {\"a\": text}|string }}{{ {text: 1} ~ [text] }}",
        "{{ \"<b>\" ~ text }}",
        "{{ text * 2 }}{{ ([text] * 2)|join }}",
        "{{ text|e }}{{ text|e|e }}{{ text|escape|upper }}{{ text|e|lower }}",
        "{{ text|replace(\"s\", \"s\") }}{{ text|e|replace(\"&lt;\", \"<\") }}{{ text|e|split(\"&lt;\")|join(\"<\") }}",
        "{% set br %}<br>{% endset %}{{ [text, br]|join(br) }}{{ br ~ text }}{{ text|replace(\"s\", br) }}",
        "{{ text|first }}{{ text|last }}{{ text|reverse }}{{ text|trim }}{{ text|title }}{{ text|capitalize }}",
        "{{ text|list|join }}{{ text|lines|join(\"<br>\") }}{{ text|batch(2)|string }}{{ text|slice(2)|first|string }}",
        "{{ text|indent(2) }}{{ text|string }}{{ text|default(\"x\") }}{{ [text]|max }}{{ [text, text]|unique|join }}",
        "{{ \"%s\"|format(text) }}{{ \"%5s\"|format(text) }}{% set f %}<%s>{% endset %}{{ f|format(text) }}",
        "{% set shown %}{{ text }}{% endset %}{{ shown }}",
        "{% set shown = text %}{{ shown }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(text) }}{{ m(m(text)) }}",
        "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{{ text }}{% endcall %}",
        "{% filter upper %}{{ text }}{% endfilter %}{% filter replace(\"&lt;\", \"<\") %}{{ text }}{% endfilter %}",
        "{% for c in text|list %}{{ c }}{% endfor %}",
        "{% with x = text %}{{ x }}{% endwith %}{% set ns = namespace(x=text) %}{{ ns.x }}",
        "{{ dict(x=text)|string }}{{ dict(x=text).x }}{{ dict(x=text)|dictsort|string }}{{ dict(x=text)|items|first|join }}",
        "{{ [{\"x\": text}]|map(attribute=\"x\")|join }}{{ [text]|select|first }}{{ [{\"x\": text}]|groupby(\"x\")|string }}",
        "{{ \"<i>\" ~ text|e }}{{ text|e ~ text }}{{ (text|e)[0] }}{{ (text|e)[:3] }}",
        "{% include [\"other.html\", \"b\"] %}{% import \"macros.html\" as m %}{{ m.show(text) }}",
    ];

    #[test]
    fn no_template_shows_a_value_unescaped() {
        let text = "<script>\"'&";
        for showing in SHOWING {
            for (before, after) in [
                ("", ""),
                ("{% autoescape false %}", "{% endautoescape %}"),
                ("{% autoescape \"none\" %}", "{% endautoescape %}"),
                ("{% macro outer(text) %}{% autoescape false %}", "{% endautoescape %}{% endmacro %}{{ outer(text) }}"),
            ] {
                // The markup of the template itself is not a value.
                let source = format!("{before}{showing}{after}");
                let own = |c: char| source.contains(c);
                let others = [
                    ("other.html", "{% autoescape false %}{{ text }}{% endautoescape %}"),
                    (
                        "macros.html",
                        "{% macro show(x) %}{% autoescape false %}{{ x }}{{ [x]|string }}{% endautoescape %}{% endmacro %}",
                    ),
                ];
                let sources = others
                    .into_iter()
                    .map(|(name, text)| (name, TemplateSource::new(name, text)))
                    .chain([("a.html", TemplateSource::new("a.html", source.clone()))]);
                let html = Templates::new(sources).unwrap().render("a.html", &BTreeMap::from([("text", text)]));
                let html = match html {
                    Ok(html) => html.to_lowercase(),
                    Err(error) => panic!("{source}: {error}"),
                };
                for raw in ["<script", "<s", "tpircs<", "\"'", "'\""] {
                    assert!(!html.contains(raw), "{source}: {html}");
                }
                assert!(own('<') || !html.contains('<'), "{source}: {html}");
            }
        }
    }

    #[test]
    fn a_template_cannot_skip_the_escaping_or_see_everything() {
        for source in [
            "{{ text|safe }}",
            "{{ text|tojson }}",
            "{{ text|pprint }}",
            "{{ debug() }}",
            "{% filter safe %}{{ text }}{% endfilter %}",
            "{{ [text]|map(\"safe\")|join }}",
            "{% autoescape \"json\" %}{{ text }}{% endautoescape %}",
            "{% include \"plain.txt\" %}",
            "{% import \"plain.txt\" as plain %}{{ plain.show(text) }}",
            "{% from \"plain.txt\" import show %}{{ show(text) }}",
            "{% extends \"plain.txt\" %}",
        ] {
            let sources = [
                ("plain.txt", TemplateSource::new("plain.txt", "{% macro show(x) %}{{ x }}{% endmacro %}{{ text }}")),
                ("a.html", TemplateSource::new("a.html", source)),
            ];
            let html = Templates::new(sources).unwrap().render("a.html", &BTreeMap::from([("text", "<")]));
            assert!(html.is_err(), "{source}: {html:?}");
        }
        // In plain text, `<` is a character as others.
        for (source, expected) in [
            ("{% autoescape true %}{{ text }}{% endautoescape %}", "<"),
            ("{% set x %}{{ text }}{% endset %}{{ x ~ text }}", "<<"),
        ] {
            assert_eq!(rendered("a.txt", source, "<").unwrap(), expected);
        }
    }

    #[test]
    fn endless_work_output_and_recursion_are_stopped() {
        let doubling =
            "{% set ns = namespace(x=\"ab\") %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}";
        let long = "x".repeat(1025 * 1024);
        let many_lines = "\n".repeat(70_000);
        for source in [
            "{{ \"x\" * 100000000 }}",
            "{{ [1] * 400000 }}",
            "{{ \"x\" * 60000 * 60000 }}",
            "{{ ([1] * 400000) ~ \"x\" }}",
            "{{ ([1] * 400000)|string }}",
            "{{ ([1] * 400000)|upper }}",
            "{{ ([1] * 400000)|list|length }}",
            "{{ ([1] * 400000)|max }}",
            "{{ ([1] * 400000)|sum }}",
            "{{ ([1] * 400000)|last }}",
            "{{ ([1] * 400000)|reverse }}",
            "{{ ([1] * 400000)|sort }}",
            "{{ ([1] * 400000)|join }}",
            "{{ ([1] * 400000)|unique }}",
            "{{ ([1] * 400000)|batch(2) }}",
            "{{ ([1] * 400000)|slice(2) }}",
            "{{ ([1] * 400000)|map(\"string\")|list }}",
            "{{ \"%s\"|format([1] * 400000) }}",
            "{{ ([1] * 400000)[::2] }}",
            "{{ ([1] * 400000)|e }}",
            "{{ ([1] * 400000)|indent(2) }}",
            "{{ ([1] * 400000)|chain([1])|list }}",
            "{{ ([1] * 400000)|zip([1] * 400000)|list }}",
            "{{ ([1] * 400000)|items }}",
            "{{ dict(([1] * 400000)) }}",
            "{{ namespace(x=[1] * 400000) }}",
            "{{ (([1] * 10000) * 10000) * 10000 }}",
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            "{% for a in range(100000) %}{{ text }}{% endfor %}",
            "{{ range(100000)|list * 100 }}",
            "{{ \"%99999999d\"|format(1) }}",
            "{{ \"%.99999999f\"|format(1.5) }}",
            "{{ text|indent(1000000000) }}",
            "{{ (\"x\" * 100000)|replace(\"x\", \"x\" * 100000) }}",
            "{{ (\"x\" * 100000)|list|join(\"x\" * 100000) }}",
            "{{ (\"x \" * 10000000)|split|length }}",
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "{% macro m(x) %}{{ m(x ~ x) }}{% endmacro %}{{ m(text) }}",
            "{% include \"a.html\" %}",
            "{% set x %}{% include \"a.html\" %}{% endset %}{{ x }}",
            "{% import \"a.html\" as a %}{{ a }}",
            "{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
            doubling,
            &long,
            &format!("{{{{ {}1{} }}}}", "(".repeat(490), ")".repeat(490)),
            &format!("{{{{ {}1{} }}}}", "[".repeat(490), "]".repeat(490)),
            &format!("{{{{ {}1{} }}}}", "{1:".repeat(240), "}".repeat(240)),
            &format!("{{{{ {}text }}}}", "-".repeat(980)),
            &format!("{{{{ {}nothing }}}}", "not ".repeat(245)),
            &format!("{{{{ text{} }}}}", ".x".repeat(490)),
            &format!("{{{{ text{}.x }}}}", "[0]".repeat(320)),
            &format!("{{{{ nothing{} }}}}", "~1".repeat(490)),
            &format!("{{{{ nothing{} }}}}", "+1".repeat(490)),
            &format!("{{{{ nothing{} }}}}", "**1".repeat(320)),
            &format!("{{{{ text{}|safe }}}}", "|e".repeat(480)),
            &format!("{{{{ text{} }}}}", "()".repeat(480)),
            &format!("{{{{ {}nothing }}}}", "1 if 0 else ".repeat(80)),
            &format!("{{{{ {} }}}}", "-".repeat(100_000)),
            &format!("{{{{ \"}}}}\" ~ {} }}}}", "-".repeat(100_000)),
            &format!("{{% if {}1 %}}{{% endif %}}", "not ".repeat(100_000)),
            &"{% if true %}".repeat(40_000),
            &"{% for x in [1] %}".repeat(25_000),
            &"{% block x %}".repeat(30_000),
            &format!("{}{{% endif %}}", "{% if false %}{% elif false %}".repeat(15_000)),
            &format!("{{% if false %}}{}{{% endif %}}{{{{ nothing }}}}", "{% elif false %}".repeat(100)),
            &format!("{{% if false %}}{}{{% endif %}}", "{% elif false %}".repeat(30_000)),
            &format!("{many_lines}{{{{ nothing }}}}"),
            &format!("{many_lines}{{{{ nothing }}}}"),
        ] {
            let shown: String = source.chars().take(80).collect();
            let started = std::time::Instant::now();

            let rendered = rendered("a.html", Box::leak(source.to_owned().into_boxed_str()), "secret");
            match rendered {
                Err(error) => assert!(error.problem.len() < 300, "{shown}: {error}"),
                Ok(html) => panic!("{shown}: {} bytes", html.len()),
            }

            assert!(started.elapsed() < std::time::Duration::from_secs(20), "{shown}");
        }
    }

    #[test]
    fn any_template_shows_values_escaped_or_is_refused_with_its_file() {
        #[derive(Serialize)]
        struct Values {
            text: &'static str,
            list: [&'static str; 2],
        }
        let values = Values { text: "<<secret>>", list: ["<<secret>>", "x"] };
        corpus!("template").holds_for_text(|template| {
            for name in ["a.html", "a.txt"] {
                let source = TemplateSource::new("/brand/a", template.to_owned());
                match Templates::new([(name, source)]).and_then(|templates| templates.render(name, &values)) {
                    Ok(shown) => {
                        let escaped = name == "a.txt" || template.contains("<<") || !shown.contains("<<secret>>");
                        prop_assert!(escaped, "{}", shown);
                    }
                    Err(error) => {
                        prop_assert_eq!(&error.file, "/brand/a");
                        let quoted = template.contains("secret") || !error.problem.contains("secret");
                        prop_assert!(quoted && !error.problem.contains('\n'), "{}", error);
                    }
                }
            }
            Ok(())
        });
    }
}
