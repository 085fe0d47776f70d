//! The errors that every use case can have and that the client did not cause.

use std::time::Duration;

use service_kit::mongo::StoreError;

use crate::{hashing::HashError, keys::SigningUnavailable};

/// A temporary failure, or a defect of the service.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The service has more work than it can do.
    #[error("overloaded")]
    Overloaded { retry_after: Duration },
    /// A rate limit is reached.
    #[error("rate limited")]
    RateLimited { retry_after: Duration },
    /// A dependency is unavailable. If this happens during a write, its outcome is unknown.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// A defect of the service. The error chain goes to the log.
    #[error("internal error: {0}")]
    Internal(#[source] anyhow::Error),
}

impl Failure {
    pub(super) fn unavailable(why: &str) -> Self {
        Self::Unavailable(why.to_owned())
    }

    pub(super) fn too_many_conflicts() -> Self {
        Self::unavailable("too many concurrent writes to this account")
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Timeout | StoreError::Unavailable(_) => Self::Unavailable(error.to_string()),
            other => Self::Internal(other.into()),
        }
    }
}

impl From<HashError> for Failure {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Overloaded { retry_after } => Self::Overloaded { retry_after },
            HashError::ShuttingDown => Self::unavailable("shutting down"),
            other => Self::Internal(other.into()),
        }
    }
}

impl From<SigningUnavailable> for Failure {
    fn from(error: SigningUnavailable) -> Self {
        Self::Unavailable(error.to_string())
    }
}
