//! The errors of a configuration. No message shows the value of a secret.

use std::{fmt, io, path::PathBuf};

use toml::Table;

/// The origin of a value.
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

/// The configuration is invalid.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file given with `--config` cannot be read.
    #[error("configuration file {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A file is not TOML.
    #[error("{origin}, line {line}: {reason}")]
    Syntax {
        /// The file.
        origin: Origin,
        /// The line number, counted from 1.
        line: usize,
        /// The parser's message, without the line itself, which may contain a secret.
        reason: String,
    },
    /// The defaults do not contain the key.
    #[error("unknown configuration key `{key}` ({origin}); did you mean {nearest}?")]
    UnknownKey {
        /// The dotted key.
        key: String,
        /// The origin of the value.
        origin: Origin,
        /// The most similar known key, in the notation of the origin.
        nearest: String,
    },
    /// The value has the wrong type.
    #[error("`{key}` ({origin}): expected {expected}, got {found}")]
    WrongType {
        /// The dotted key.
        key: String,
        /// The origin of the value.
        origin: Origin,
        /// The expected type, such as "an integer".
        expected: &'static str,
        /// The value that was found; for a secret only its type.
        found: String,
    },
    /// The service refuses the value.
    #[error("`{key}` ({origin}): {reason}")]
    Invalid {
        /// The dotted key.
        key: String,
        /// The origin of the value.
        origin: Origin,
        /// The reason.
        reason: String,
    },
    /// A required key is not set.
    #[error("`{key}` is not set; set {hint}")]
    Missing {
        /// The dotted key.
        key: String,
        /// The variables that set it.
        hint: String,
    },
    /// A secret is set both directly and by a file.
    #[error("`{key}` is set twice: by {direct} and, as a file, by {file}; remove one")]
    BothSet {
        /// The dotted key.
        key: String,
        /// The origin of the value.
        direct: Origin,
        /// The origin of the file name.
        file: Origin,
    },
    /// The file of a secret cannot be read.
    #[error("`{key}` ({origin}) names {path}: {source}")]
    SecretFile {
        /// The dotted key that ends in `_file`.
        key: String,
        /// The origin of the value.
        origin: Origin,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The value of a variable is not UTF-8.
    #[error("environment variable {variable} is not UTF-8")]
    NotUnicode {
        /// The variable's name.
        variable: String,
    },
}

/// Parses TOML. A syntax error contains the line number, but not the line.
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
