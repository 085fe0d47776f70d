//! Errors of hashing: why there is no result, and why a stored or imported hash cannot be used.

use std::time::Duration;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The queue is too long. Nothing was computed.
    #[error("too many passwords are being checked")]
    Overloaded { retry_after: Duration },
    /// The pool takes no more jobs, or dropped this one unanswered.
    #[error("the hash threads are shutting down")]
    ShuttingDown,
    /// The computation panicked; the log has the place.
    #[error("the password could not be hashed or verified")]
    Failed,
    /// Only from [`PasswordHash::parse`](super::PasswordHash::parse); [`HashPool::verify`](super::HashPool::verify) answers
    /// [`Verification::Mismatch`](super::Verification::Mismatch) for a hash that it cannot use.
    #[error("this is not the hash of a password")]
    Malformed,
}

/// No password can be checked against it. Says why, without the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableHash {
    #[error("it is not a well-formed hash string")]
    Malformed,
    #[error("its algorithm is not supported")]
    UnknownAlgorithm,
    /// Known, and not taken over.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    #[error("its parameters are missing or not allowed")]
    InvalidParameters,
    #[error("it needs more memory or time than hashing.foreign_max_memory_kib and hashing.foreign_max_cost allow")]
    TooExpensive,
}

impl UnusableHash {
    /// Stable and kebab-case, for programs.
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
