//! Texts in the language of the reader, for the mails and the pages.
//!
//! | module | its question |
//! |---|---|
//! | `language` | how is a language written, and which one does a reader get? |
//! | `catalogue` | which texts are there in each language, and are they complete? |
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
mod plural;
mod templates;

pub use bidi::{ValueDirection, isolate_depth_change};
pub use catalogue::{Catalogue, Catalogues, Text, Texts};
pub use characters::{is_invisible, is_joiner_or_selector, is_letter_or_mark};
pub use date::DateFormat;
pub use language::Language;
pub use message_pattern::{FilledText, MessagePattern, Placeholder};
pub use templates::Templates;

/// An embedded file that cannot be used, which is found at the start of a service.
#[derive(Debug, thiserror::Error)]
#[error("the file `{file}` is invalid: {problem}")]
pub struct InvalidFile {
    /// The path below the folder of the crate that embeds it.
    pub file: String,
    /// Names the key and the line.
    pub problem: String,
}
