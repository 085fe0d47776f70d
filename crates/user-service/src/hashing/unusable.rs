//! Why a hash cannot be used.

/// No password can be checked against it. Says why, without the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("it is not a well-formed hash string")]
    Malformed,
    #[error("its algorithm is not supported")]
    UnknownAlgorithm,
    /// Known, and not taken over.
    #[error("{0} is not supported")]
    Refused(&'static str),
    #[error("its parameters are missing or not allowed")]
    InvalidParameters,
    #[error("it needs more memory or time than hashing.foreign_max_memory_kib and hashing.foreign_max_cost allow")]
    BeyondBounds,
}

impl Unusable {
    /// Stable and kebab-case, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "not-a-hash",
            Self::UnknownAlgorithm | Self::Refused(_) => "unsupported-hash",
            Self::InvalidParameters => "invalid-parameters",
            Self::BeyondBounds => "beyond-bounds",
        }
    }
}
