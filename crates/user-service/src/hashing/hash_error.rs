//! Errors of hashing, and the reasons why a stored or imported hash cannot be used.

use std::{
    fmt::{self, Display},
    time::Duration,
};

/// The reason why a hash was not computed or verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The queue is too long, and nothing was computed.
    #[error("too many passwords are being hashed or verified")]
    Overloaded { retry_after: Duration },
    /// The pool accepts no more jobs, or dropped this one because of the shutdown.
    #[error("the hash threads are shutting down")]
    ShuttingDown,
    /// The computation panicked. The log contains the location.
    #[error("the password could not be hashed or verified")]
    Failed,
    /// Only [`PasswordHash::parse`](super::PasswordHash::parse) returns this error.
    /// [`HashPool::verify`](super::HashPool::verify) returns [`Verification::Mismatch`](super::Verification::Mismatch)
    /// for a hash that it cannot use.
    #[error("this is not a password hash")]
    Malformed,
}

/// The reason why no password can be verified against a hash. It does not contain the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableHash {
    #[error("it is not a well-formed hash string")]
    Malformed,
    #[error("its algorithm is not supported")]
    UnknownAlgorithm,
    /// The algorithm is known, but this service does not support it.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    #[error("its parameters are missing or not allowed")]
    InvalidParameters,
    #[error("{0}")]
    TooExpensive(ExceededBounds),
    #[error("it needs the pepper of Devise, and hashing.devise_pepper is not set")]
    MissingPepper,
}

/// The bounds of the configuration that a hash exceeds. At least one is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExceededBounds {
    pub memory_kib: Option<ExceededBound>,
    /// In the unit of `hashing.foreign_max_cost`.
    pub cost: Option<ExceededBound>,
}

/// A bound, and the value that it would need to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExceededBound {
    pub needed: u64,
    pub allowed: u64,
}

impl Display for ExceededBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it needs")?;
        if let Some(ExceededBound { needed, allowed }) = self.memory_kib {
            write!(f, " {needed} KiB of memory (hashing.foreign_max_memory_kib allows {allowed})")?;
        }
        if self.memory_kib.is_some() && self.cost.is_some() {
            f.write_str(" and")?;
        }
        if let Some(ExceededBound { needed, allowed }) = self.cost {
            write!(f, " a cost of {needed} (hashing.foreign_max_cost allows {allowed})")?;
        }
        Ok(())
    }
}

impl UnusableHash {
    /// Returns the stable kebab-case code for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "not-a-hash",
            Self::UnknownAlgorithm | Self::Unsupported(_) => "unsupported-hash",
            Self::InvalidParameters => "invalid-parameters",
            Self::TooExpensive(_) => "beyond-bounds",
            Self::MissingPepper => "missing-pepper",
        }
    }
}
