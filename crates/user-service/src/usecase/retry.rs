//! The end of a conditional write on an account: done, or decided again.

use super::failure::Failure;
use crate::store::{Commit, UserRecord};

/// How often a use case decides again because somebody else wrote in between.
pub(in crate::usecase) const DECISIONS: usize = 50;

/// What to do after a commit that decided about a living account.
pub(in crate::usecase) enum Next {
    Done(Box<UserRecord>),
    DecideAgain,
}

/// Sorts a commit's end; a full pending list is "later".
pub(in crate::usecase) fn after(commit: Commit) -> Result<Next, Failure> {
    match commit {
        Commit::Done(user) => Ok(Next::Done(user)),
        Commit::Outdated => Ok(Next::DecideAgain),
        Commit::PendingFull => Err(Failure::unavailable("this account has too many unpublished events")),
        Commit::Buried(_) => Err(Failure::Internal(anyhow::anyhow!("buried where nothing was to be deleted"))),
    }
}
