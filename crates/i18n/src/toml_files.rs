//! TOML files that lie over each other, and the file and line of each of their values.
//!
//! The parser gives each value its byte range. Here the files stand one after the other in one address space, so that
//! the range also says which file a value of a merged table comes from.

use serde::de::DeserializeOwned;
use serde_path_to_error::{Deserializer, Track};
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::InvalidFile;

/// Tables and arrays in each other. Deeper files are refused, because reading them takes a recursion for each level.
const MAX_DEPTH: usize = 32;

/// A table, with the place of each key and value.
pub(crate) type Table<'a> = DeTable<'a>;
/// A value and its place.
pub(crate) type Node<'a> = Spanned<DeValue<'a>>;

/// The files whose values are in use.
#[derive(Debug, Default)]
pub struct TomlFiles<'a>(Vec<TomlFile<'a>>);

#[derive(Debug)]
struct TomlFile<'a> {
    path: String,
    text: &'a str,
    /// The address of the first byte.
    start: usize,
    is_embedded: bool,
}

impl<'a> TomlFiles<'a> {
    /// Parses a file. The error names `path` and the line.
    ///
    /// # Errors
    /// Returns an error if the file is not valid TOML, or is nested too deeply.
    pub fn parse(&mut self, path: String, text: &'a str) -> Result<Spanned<DeValue<'a>>, InvalidFile> {
        self.parse_as(path, text, false)
    }

    /// Parses a file of a service, to whose keys an error adds no prefix.
    pub(crate) fn parse_embedded(&mut self, path: String, text: &'a str) -> Result<Node<'a>, InvalidFile> {
        self.parse_as(path, text, true)
    }

    fn parse_as(&mut self, path: String, text: &'a str, is_embedded: bool) -> Result<Node<'a>, InvalidFile> {
        // The address after the last byte belongs to the file: an error at its end has it.
        let start = self.0.last().map_or(0, |file| file.start + file.text.len() + 1);
        self.0.push(TomlFile { path, text, start, is_embedded });
        let (root, errors) = DeTable::parse_recoverable(text);
        let root = Spanned::new(root.span(), DeValue::Table(root.into_inner()));
        // Before anything else: even to drop a value takes a recursion for each level.
        if let Some(at) = too_deep(&root) {
            dismantle(root);
            return Err(self.invalid(start + at, "the tables are nested too deeply".to_owned()));
        }
        if let Some(error) = errors.first() {
            let at = error.span().map_or(0, |span| span.start);
            return Err(self.invalid(start + at, one_line(error.message())));
        }
        Ok(moved(root, start))
    }

    /// Converts a value. The error names the file, the line and the key.
    ///
    /// # Errors
    /// Returns an error if the value does not have the form of `T`.
    pub fn deserialize<T: DeserializeOwned>(&self, value: &Spanned<DeValue<'a>>) -> Result<T, InvalidFile> {
        self.deserialize_below("", value)
    }

    /// Converts a value whose key begins with `prefix` in the files of the operator.
    pub(crate) fn deserialize_below<T: DeserializeOwned>(
        &self,
        prefix: &str,
        value: &Node<'a>,
    ) -> Result<T, InvalidFile> {
        let mut track = Track::new();
        T::deserialize(Deserializer::new(ValueDeserializer::from(value.clone()), &mut track)).map_err(|error| {
            let (path, problem) = (track.path(), one_line(error.message()));
            let names: Vec<String> = path.iter().map(ToString::to_string).collect();
            // The error itself has only the place of a list, not of the value in the list.
            let at = innermost(value, names.iter().map(|name| name.trim_matches(['[', ']'])));
            let key = if names.is_empty() { String::new() } else { path.to_string() };
            self.invalid_below(prefix, &key, at, &problem)
        })
    }

    /// Returns the error about the value with this key, such as `links.0.url`, or the innermost table that the key names.
    #[must_use]
    pub fn invalid_value(&self, root: &Spanned<DeValue<'a>>, key: &str, problem: &str) -> InvalidFile {
        self.invalid_below("", key, place_of(root, key), problem)
    }

    /// Returns the error about the value at this place.
    pub(crate) fn invalid(&self, at: usize, problem: String) -> InvalidFile {
        match self.0.iter().rev().find(|file| file.start <= at) {
            Some(file) => InvalidFile::at(file.path.clone(), file.text, at - file.start, problem),
            None => InvalidFile::whole("", problem),
        }
    }

    /// Returns the error about the value at this place, whose key begins with `prefix` in the files of the operator.
    pub(crate) fn invalid_below(&self, prefix: &str, key: &str, at: usize, problem: &str) -> InvalidFile {
        let is_embedded = self.0.iter().rev().find(|file| file.start <= at).is_some_and(|file| file.is_embedded);
        let key = format!("{}{key}", if is_embedded { "" } else { prefix });
        match key.trim_end_matches('.') {
            "" => self.invalid(at, problem.to_owned()),
            key => self.invalid(at, format!("{key}: {problem}")),
        }
    }
}

/// Returns the message on one line, for a log.
fn one_line(message: &str) -> String {
    message.trim().replace('\n', ", ")
}

/// Returns the place of a value that is nested too deeply.
fn too_deep(root: &Node<'_>) -> Option<usize> {
    let mut rest = vec![(root, 0)];
    while let Some((value, depth)) = rest.pop() {
        if depth > MAX_DEPTH {
            return Some(value.span().start);
        }
        match value.get_ref() {
            DeValue::Table(table) => rest.extend(table.values().map(|value| (value, depth + 1))),
            DeValue::Array(values) => rest.extend(values.iter().map(|value| (value, depth + 1))),
            _ => {}
        }
    }
    None
}

/// Drops a value without a recursion.
fn dismantle(root: Node<'_>) {
    let mut rest = vec![root];
    while let Some(value) = rest.pop() {
        match value.into_inner() {
            DeValue::Table(table) => rest.extend(table.into_iter().map(|(_, value)| value)),
            DeValue::Array(values) => rest.extend(values),
            _ => {}
        }
    }
}

/// Moves all places of a value by `start`.
fn moved(value: Node<'_>, start: usize) -> Node<'_> {
    let span = value.span();
    let inner = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(
            table
                .into_iter()
                .map(|(key, value)| {
                    let span = key.span();
                    (Spanned::new(span.start + start..span.end + start, key.into_inner()), moved(value, start))
                })
                .collect(),
        ),
        DeValue::Array(values) => DeValue::Array(values.into_iter().map(|value| moved(value, start)).collect()),
        other => other,
    };
    Spanned::new(span.start + start..span.end + start, inner)
}

/// Lays `over` on `base`: tables are merged for which `is_merged` holds, and every other value is replaced.
pub(crate) fn merge<'a>(base: &mut Node<'a>, over: Node<'a>, is_merged: &impl Fn(&Table<'a>) -> bool) {
    match (base.get_ref(), over.get_ref()) {
        (DeValue::Table(under), DeValue::Table(upper)) if is_merged(under) && is_merged(upper) => {}
        _ => {
            *base = over;
            return;
        }
    }
    let (place, DeValue::Table(over)) = (over.span(), over.into_inner()) else { return };
    let DeValue::Table(mut merged) = std::mem::replace(base.get_mut(), DeValue::Boolean(false)) else { return };
    for (key, value) in over {
        match merged.get_mut(key.get_ref().as_ref()) {
            Some(under) => merge(under, value, is_merged),
            None => {
                merged.insert(key, value);
            }
        }
    }
    // An error about the table is an error of the file that changes it.
    *base = Spanned::new(place, DeValue::Table(merged));
}

/// Returns the place of the value with this key, such as `mails.welcome.paragraphs.0`, or of the innermost table that
/// the key names.
pub(crate) fn place_of(root: &Node<'_>, key: &str) -> usize {
    innermost(root, key.split('.'))
}

fn innermost<'k>(root: &Node<'_>, names: impl Iterator<Item = &'k str>) -> usize {
    let mut found = root;
    for name in names {
        let inner = match found.get_ref() {
            DeValue::Table(table) => table.get(name),
            DeValue::Array(values) => name.parse().ok().and_then(|at: usize| values.get(at)),
            _ => None,
        };
        let Some(inner) = inner else { break };
        found = inner;
    }
    found.span().start
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        #[expect(dead_code, reason = "only its form matters")]
        a: BTreeMap<String, Vec<u8>>,
    }

    fn problem(toml: &str) -> String {
        let mut files = TomlFiles::default();
        let parsed = files.parse("a.toml".to_owned(), toml).and_then(|root| files.deserialize::<Example>(&root));
        parsed.map(drop).expect_err("the file is invalid").to_string()
    }

    #[test]
    fn an_error_has_the_file_the_line_and_the_key() {
        for (toml, expected) in [
            ("a = ", "line 1: string values must be quoted, expected literal string"),
            ("[a]\nb = [1]\nb = [2]", "line 3: duplicate key"),
            ("[a]\nb = [1,\n  2,\n  \"x\"\n]", "line 4: a.b[2]: invalid type: string \"x\", expected u8"),
            ("\n[a]\n\n[c]", "line 4: c: unknown field `c`, expected `a`"),
            ("[a]\n\"ü\" = [\"\"]", "line 2: a.ü[0]: invalid type: string \"\", expected u8"),
            ("", "line 1: missing field `a`"),
            ("[a]\nb = [", "line 2: unclosed array, expected `]`"),
        ] {
            assert_eq!(problem(toml), format!("the file `a.toml` is invalid: {expected}"));
        }
    }

    #[test]
    fn a_merged_value_knows_its_file() {
        let mut files = TomlFiles::default();
        let mut base = files.parse("base.toml".to_owned(), "[a]\none = [1]\ntwo = [1]\n").unwrap();
        let over = files.parse("over.toml".to_owned(), "# changed\n[a]\ntwo = [2]\nthree = [\"x\"]").unwrap();
        merge(&mut base, over, &|_| true);
        let file = |key: &str| {
            let InvalidFile { file, line, .. } = files.invalid(place_of(&base, key), String::new());
            (file, line.unwrap())
        };
        assert_eq!(file("a.one"), ("base.toml".to_owned(), 2));
        assert_eq!(file("a.two"), ("over.toml".to_owned(), 3));
        assert_eq!(file("a.two.0"), ("over.toml".to_owned(), 3));
        // The table itself, which is the innermost that exists.
        for key in ["a", "a.four", "a.four.five", "a.one.two"] {
            assert_eq!(file(key).0, if key == "a.one.two" { "base.toml" } else { "over.toml" }, "{key}");
        }
        let error = files.deserialize::<Example>(&base).unwrap_err();
        assert_eq!((error.file.as_str(), error.line), ("over.toml", Some(4)));
        assert_eq!(files.invalid(usize::MAX, String::new()).line, Some(4));
    }

    #[test]
    fn a_file_that_is_nested_deeply_is_refused_without_a_recursion() {
        let depth = 200_000;
        for toml in [
            format!("{}a = 1", "a.".repeat(depth)),
            format!("[{}a]\nb = 1", "a.".repeat(depth)),
            format!("[[{}a]]\nb = 1\nb = 2", "a.".repeat(depth)),
            format!("a = {}1{}", "[".repeat(depth), "]".repeat(depth)),
            format!("a = {}1{}", "{ a = ".repeat(depth), " }".repeat(depth)),
            format!("{}a = ", "a.".repeat(depth)),
            format!("a = {}", "[".repeat(depth)),
        ] {
            let problem = problem(&toml);
            assert!(problem.starts_with("the file `a.toml` is invalid: line ") && problem.len() < 200, "{problem}");
        }
    }
}
