//! The end of a conditional write on an account: done, or decided again.

use super::failure::Failure;
use crate::store::{Commit, UserRecord};

/// How often a use case decides again because somebody else wrote in between.
pub(in crate::usecase) const MAX_ATTEMPTS: usize = 50;

/// What to do after a commit that decided about a living account.
pub(in crate::usecase) enum WriteOutcome {
    Done(Box<UserRecord>),
    Retry,
}

/// Sorts a commit's end; a full pending list is "later".
pub(in crate::usecase) fn write_outcome(commit: Commit) -> Result<WriteOutcome, Failure> {
    match commit {
        Commit::Done(user) => Ok(WriteOutcome::Done(user)),
        Commit::Conflict => Ok(WriteOutcome::Retry),
        Commit::PendingFull => Err(Failure::unavailable("this account has too many unpublished events")),
        Commit::Tombstoned(_) => Err(Failure::Internal(anyhow::anyhow!("tombstoned where nothing was to be deleted"))),
    }
}
