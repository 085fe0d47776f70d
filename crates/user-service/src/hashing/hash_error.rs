//! Errors of hashing, and the reasons why a stored or imported hash cannot be used.

use std::time::Duration;

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
    #[error("it needs more memory or time than hashing.foreign_max_memory_kib and hashing.foreign_max_cost allow")]
    TooExpensive,
}

impl UnusableHash {
    /// Returns the stable kebab-case code for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "not-a-hash",
            Self::UnknownAlgorithm | Self::Unsupported(_) => "unsupported-hash",
            Self::InvalidParameters => "invalid-parameters",
            Self::TooExpensive => "beyond-bounds",
        }
    }
}
