//! Checked-in inputs for the parsers that face the outside, and properties held against them, their
//! mutations, and anything else.
//!
//! A corpus is a file `corpus/<name>` of a crate, one input a line ([`unescape`] says how it is
//! written). A property is first held against every line as it stands: that is the regression
//! test. Then proptest changes, splices and invents inputs, as many as `PROPTEST_CASES` says (256
//! otherwise). What fails there is shrunk, shown in the form of a line, and belongs into the file.

#![warn(missing_docs)]

mod escape;
mod mutation;

use std::{fmt::Debug, fs, path::Path};

use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestError, TestRunner},
};

pub use escape::{escape, unescape};

/// The outcome of one input: `prop_assert!` and its kin return early with the reason.
pub type TestResult = Result<(), TestCaseError>;

/// The inputs in one file.
#[derive(Debug, Clone)]
pub struct Corpus {
    path: String,
    cases: Vec<Vec<u8>>,
}

/// The corpus of this name in the crate at hand: `corpus!("email")`.
#[macro_export]
macro_rules! corpus {
    ($name:literal) => {
        $crate::Corpus::read(env!("CARGO_MANIFEST_DIR"), $name)
    };
}

impl Corpus {
    /// Reads `corpus/<name>` of the crate in this directory. Empty lines and those that begin with
    /// `#` and a space are not inputs. The empty input is always one.
    ///
    /// # Panics
    /// When the file is not there, or a line is not well written.
    #[must_use]
    pub fn read(crate_directory: &str, name: &str) -> Self {
        let path = Path::new(crate_directory).join("corpus").join(name);
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && !line.starts_with(b"# "));
        let read = |line: &[u8]| {
            let shown = String::from_utf8_lossy(line).into_owned();
            unescape(line).unwrap_or_else(|why| panic!("{}: {why}: {shown}", path.display()))
        };
        let cases = std::iter::once(Vec::new()).chain(lines.map(read)).collect();
        Self { path: path.display().to_string(), cases }
    }

    /// Inputs from elsewhere, such as the golden examples of a contract; `origin` says where.
    #[must_use]
    pub fn from_inputs(origin: &str, cases: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self { path: origin.to_owned(), cases: std::iter::once(Vec::new()).chain(cases).collect() }
    }

    /// The inputs as they are.
    pub fn cases(&self) -> impl Iterator<Item = &[u8]> {
        self.cases.iter().map(Vec::as_slice)
    }

    /// Those that are UTF-8.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.cases().filter_map(|case| std::str::from_utf8(case).ok())
    }

    /// Any bytes: mostly what becomes of an input by a few changes.
    pub fn bytes(&self) -> BoxedStrategy<Vec<u8>> {
        let changed = mutation::mutated_inputs(self.cases.clone(), any::<u8>().boxed());
        prop_oneof![6 => changed, 1 => prop::collection::vec(any::<u8>(), 0..200)].boxed()
    }

    /// Any text: mostly what becomes of an input by a few changes of characters.
    pub fn text(&self) -> BoxedStrategy<String> {
        let cases = self.texts().map(|text| text.chars().collect()).collect();
        let changed = mutation::mutated_inputs(cases, any::<char>().boxed()).prop_map(String::from_iter);
        prop_oneof![6 => changed, 1 => any::<String>()].boxed()
    }

    /// Holds the property against every input, then against any bytes.
    ///
    /// # Panics
    /// With the input, when it does not hold.
    pub fn holds_for_bytes(&self, property: impl Fn(&[u8]) -> TestResult) {
        for case in self.cases() {
            self.assert_holds(case, property(case));
        }
        self.search(&self.bytes(), |bytes| property(&bytes), |bytes| escape(bytes));
    }

    /// Holds the property against every input that is a text, then against any text.
    ///
    /// # Panics
    /// With the input, when it does not hold.
    pub fn holds_for_text(&self, property: impl Fn(&str) -> TestResult) {
        for case in self.texts() {
            self.assert_holds(case.as_bytes(), property(case));
        }
        self.search(&self.text(), |text| property(&text), |text| escape(text.as_bytes()));
    }

    fn assert_holds(&self, case: &[u8], held: TestResult) {
        if let Err(error) = held {
            panic!("{}\n  in {}: {}", truncated(&error.to_string()), self.path, truncated(&escape(case)));
        }
    }

    fn search<T: Debug>(
        &self,
        inputs: &BoxedStrategy<T>,
        property: impl Fn(T) -> TestResult,
        shown: impl Fn(&T) -> String,
    ) {
        // A seed means another input as soon as the corpus grows: the line is what is kept.
        let config = Config { failure_persistence: None, ..Config::default() };
        match TestRunner::new(config).run(inputs, property) {
            Ok(()) => {}
            Err(TestError::Fail(reason, input)) => {
                let (reason, input) = (truncated(reason.message()), shown(&input));
                panic!("{reason}\n  add to {} once it is mended: {input}", self.path);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A case may be a megabyte.
fn truncated(text: &str) -> String {
    match text.char_indices().nth(1_000) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_an_input_and_so_is_the_empty_input() {
        let corpus = corpus!("example");
        let cases: Vec<_> = corpus.cases().collect();
        assert_eq!(cases, [&b""[..], b"plain", b"two\nlines\xff", "wörter".as_bytes(), b"ababab", b"#1"]);
        assert_eq!(corpus.texts().count(), 5);
    }

    #[test]
    fn mutated_inputs_resemble_the_corpus() {
        let seen = std::cell::Cell::new((0, 0));
        corpus!("example").holds_for_text(|text| {
            let (all, alike) = seen.get();
            seen.set((all + 1, alike + u32::from(text.contains("ab") || text.contains("plai"))));
            Ok(())
        });
        let (all, alike) = seen.get();
        assert!(all > 200 && alike > all / 10, "{alike} of {all}");
    }

    #[test]
    #[should_panic(expected = "no z")]
    fn a_property_that_does_not_hold_fails_the_test() {
        corpus!("example").holds_for_text(|text| {
            prop_assert!(!text.contains("plain"), "no z");
            Ok(())
        });
    }
}
