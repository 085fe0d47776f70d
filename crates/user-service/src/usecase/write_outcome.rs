//! The result of a conditional write to an account: done, or to be decided again.

use super::failure::Failure;
use crate::store::{Commit, UserRecord};

/// The maximum number of attempts of a use case whose writes conflict with other writers.
pub(in crate::usecase) const MAX_ATTEMPTS: usize = 50;

/// The result of a write that does not delete the account.
pub(in crate::usecase) enum WriteOutcome {
    Done(Box<UserRecord>),
    Retry,
}

/// Converts the result of a commit. A full list of pending events is a temporary failure.
pub(in crate::usecase) fn write_outcome(commit: Commit) -> Result<WriteOutcome, Failure> {
    match commit {
        Commit::Done(user) => Ok(WriteOutcome::Done(user)),
        Commit::Conflict => Ok(WriteOutcome::Retry),
        Commit::PendingFull => Err(Failure::unavailable("this account has too many unpublished events")),
        Commit::Tombstoned(_) => {
            Err(Failure::Internal(anyhow::anyhow!("an account was deleted by a write that deletes nothing")))
        }
    }
}
