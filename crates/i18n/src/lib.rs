//! Texts in the language of the reader, for the mails and the pages.
//!
//! | module | its question |
//! |---|---|
//! | `language` | how is a language written, and which one does a reader get? |
//! | `catalogue` | which texts are there in each language, and are they complete? |
//! | `overrides` | what is a catalogue with the texts of an operator over it? |
//! | `toml_files` | which line of which file does a text come from? |
//! | `message_pattern` | what does a text say with these values? |
//! | `templates` | what does a document look like with these texts? |
//! | `characters` | which characters does a reader not see, and of which do words consist? |
//!
//! Pure: no clock, no I/O. A service hands in its embedded catalogues and templates, and every file is checked
//! completely before the first text is used.

mod bidi;
mod catalogue;
mod characters;
mod date;
mod language;
mod message_pattern;
mod overrides;
mod plural;
mod templates;
mod toml_files;

pub use bidi::{ValueDirection, isolate_depth_change};
pub use catalogue::{Catalogue, Catalogues, Text, Texts};
pub use characters::{is_invisible, is_joiner_or_selector, is_letter_or_mark};
pub use date::DateFormat;
pub use language::Language;
pub use message_pattern::{FilledText, MessagePattern, Placeholder};
pub use overrides::{CatalogueOverride, CatalogueTables, MissingTexts};
pub use templates::{SafeHtml, TemplateSource, Templates};
pub use toml_files::TomlFiles;

/// A file that cannot be used: an embedded one, or one of the operator. It is found before the file is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the file `{file}` is invalid: {}{problem}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct InvalidFile {
    /// The path below the folder of the crate that embeds it, or the path of the operator's file.
    pub file: String,
    /// The line, starting with 1, if the problem has one.
    pub line: Option<usize>,
    /// Names the key. On one line, without values of a mail or page.
    pub problem: String,
}

impl InvalidFile {
    /// Creates the error about the byte `at` of a file with this text.
    #[must_use]
    pub fn at(file: String, text: &str, at: usize, problem: String) -> Self {
        let before = text.as_bytes().iter().take(at);
        Self { file, line: Some(before.filter(|byte| **byte == b'\n').count() + 1), problem }
    }

    /// Creates the error about a file as a whole.
    #[must_use]
    pub fn whole(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, problem: problem.into() }
    }
}
