//! Applies an administrator's action to an account: reads the account, decides, and writes once. After a conflicting
//! write it starts again.

use service_kit::mongo::StoreError;
use uuid::Uuid;

use super::last_admin::AdminWriteError;
use crate::{
    store::{Change, Commit, EndSessions, UserRecord},
    usecase::{
        account_service::AccountService,
        failure::Failure,
        write_outcome::{MAX_ATTEMPTS, WriteOutcome, write_outcome},
    },
};

/// The reason why the account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AdminActionError {
    #[error("there is no such account")]
    NotFound,
    #[error("the account has another version")]
    PreconditionFailed,
    #[error("the account is the last administrator")]
    LastAdmin,
    #[error("the account has no second factor")]
    NoSecondFactor,
    #[error("administrators cannot remove their own second factor this way")]
    OwnSecondFactor,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for AdminActionError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

impl From<AdminWriteError> for AdminActionError {
    fn from(error: AdminWriteError) -> Self {
        match error {
            AdminWriteError::LastAdmin => Self::LastAdmin,
            AdminWriteError::Store(error) => error.into(),
        }
    }
}

/// The change that an action makes to an account.
pub(super) struct Decision {
    pub change: Change,
    /// Whether the account belongs to an administrator after the change.
    pub admin_after: bool,
}

impl AccountService {
    /// Applies the action that `decide` returns for the account; `None` means that the account is already in the wanted
    /// state.
    pub(super) async fn apply_admin_action(
        &self,
        id: Uuid,
        decide: impl Fn(&UserRecord) -> Result<Option<Decision>, AdminActionError>,
    ) -> Result<(), AdminActionError> {
        for _ in 0..MAX_ATTEMPTS {
            let user = self.store.users.by_id(id).await?.ok_or(AdminActionError::NotFound)?;
            let Some(Decision { change, admin_after }) = decide(&user)? else { return Ok(()) };
            let ends_sessions = change.end_sessions != EndSessions::None;
            match self.commit_with_admin_list(&user, admin_after, change).await? {
                Commit::Tombstoned(pending) => {
                    self.publish_tombstone(id, self.clock.now(), pending);
                    return Ok(());
                }
                commit => {
                    if let WriteOutcome::Done(written) = write_outcome(commit)? {
                        self.publish(&written);
                        if ends_sessions {
                            self.delete_ended_sessions(&written).await;
                        }
                        return Ok(());
                    }
                }
            }
        }
        Err(Failure::too_many_conflicts().into())
    }
}
