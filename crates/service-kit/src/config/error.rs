//! What can be wrong with a configuration. No message shows the value of a secret.

use std::{fmt, io, path::PathBuf};

use toml::Table;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The embedded defaults.
    Defaults,
    /// The file given with `--config`.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// The file of a secret.
    SecretFile(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => f.write_str("built-in defaults"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::SecretFile(path) => write!(f, "secret file {}", path.display()),
        }
    }
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file given with `--config` cannot be read.
    #[error("configuration file {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is not TOML.
    #[error("{origin}, line {line}: {reason}")]
    Syntax {
        /// The file.
        origin: Origin,
        /// Counted from 1.
        line: usize,
        /// The parser's words, without the line itself: it may hold a secret.
        reason: String,
    },
    /// A key that the defaults do not name.
    #[error("unknown configuration key `{key}` ({origin}); did you mean {nearest}?")]
    UnknownKey {
        /// Dotted.
        key: String,
        /// Where it is.
        origin: Origin,
        /// The known key that resembles it most, as one would write it there.
        nearest: String,
    },
    /// A value of the wrong type.
    #[error("`{key}` ({origin}): expected {expected}, got {found}")]
    WrongType {
        /// Dotted.
        key: String,
        /// Where it is.
        origin: Origin,
        /// A type, as "an integer".
        expected: &'static str,
        /// What is there; for a secret, its type only.
        found: String,
    },
    /// A value that the service refuses.
    #[error("`{key}` ({origin}): {reason}")]
    Invalid {
        /// Dotted.
        key: String,
        /// Where it is.
        origin: Origin,
        /// Why.
        reason: String,
    },
    /// A key without a default that nobody has set.
    #[error("`{key}` is not set; set {hint}")]
    Missing {
        /// Dotted.
        key: String,
        /// The variables that would do.
        hint: String,
    },
    /// A secret that is given directly and by a file.
    #[error("`{key}` is set twice: by {direct} and, as a file, by {file}; remove one")]
    BothSet {
        /// Dotted.
        key: String,
        /// Where the value is.
        direct: Origin,
        /// Where the file is named.
        file: Origin,
    },
    /// A secret's file that cannot be read.
    #[error("`{key}` ({origin}) names {path}: {source}")]
    SecretFile {
        /// The key that ends in `_file`.
        key: String,
        /// Where it is.
        origin: Origin,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A variable whose value is not UTF-8.
    #[error("environment variable {variable} is not UTF-8")]
    NotUnicode {
        /// Its name.
        variable: String,
    },
}

/// Parses TOML; an error names the line's number, not its contents.
pub(super) fn parse_toml(text: &str, origin: &Origin) -> Result<Table, ConfigError> {
    text.parse::<Table>().map_err(|error| {
        let position = error.span().map_or(0, |span| span.start.min(text.len()));
        ConfigError::Syntax {
            origin: origin.clone(),
            line: text.as_bytes()[..position].iter().filter(|b| **b == b'\n').count() + 1,
            reason: error.message().to_owned(),
        }
    })
}
