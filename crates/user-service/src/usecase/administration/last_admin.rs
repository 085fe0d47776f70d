//! The only place for writes that add or remove an administrator. One administrator always remains.

use service_kit::{fail_point, mongo::StoreError};

use crate::{
    store::{AdminRemoval, Change, Commit, Precondition, UserRecord},
    usecase::account_service::AccountService,
};

/// The reason why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(in crate::usecase) enum AdminWriteError {
    /// There is no other administrator.
    #[error("the account is the last administrator")]
    LastAdmin,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AccountService {
    /// Writes `change` if `user` still has its version, and keeps the list of administrators correct. `admin_after`
    /// says whether the account belongs to an administrator after the change.
    ///
    /// An account that loses the role leaves the list before the write. If nothing is written it is put back. If the
    /// outcome is unknown, or after a crash between the two steps, housekeeping puts it back.
    pub(in crate::usecase) async fn commit_with_admin_list(
        &self,
        user: &UserRecord,
        admin_after: bool,
        change: Change,
    ) -> Result<Commit, AdminWriteError> {
        let id = user.id.into();
        let precondition = Precondition::Version(user.version);
        let (users, admins) = (&self.store.users, &self.store.admins);
        match (user.is_admin(), admin_after) {
            (false, true) => {
                let removal_count = admins.removal_count().await?;
                let commit = users.commit(id, precondition, change).await?;
                if matches!(commit, Commit::Done(_)) {
                    self.log_if_not_listed(id, admins.add(id, removal_count).await);
                }
                Ok(commit)
            }
            (true, false) => {
                if admins.remove_unless_last(id).await? == AdminRemoval::LastAdmin {
                    return Err(AdminWriteError::LastAdmin);
                }
                fail_point!("admins.after_pull");
                let commit = users.commit(id, precondition, change).await;
                let certainly_not_written = match &commit {
                    Ok(commit) => matches!(commit, Commit::Conflict | Commit::PendingFull),
                    Err(error) => !error.outcome_unknown(),
                };
                if certainly_not_written {
                    self.log_if_not_listed(id, admins.ensure_listed(id).await);
                }
                Ok(commit?)
            }
            _ => Ok(users.commit(id, precondition, change).await?),
        }
    }

    /// Logs an account that could not be put into the list. The account itself is correct, and housekeeping repairs the
    /// list.
    fn log_if_not_listed<T>(&self, admin: uuid::Uuid, listed: Result<T, StoreError>) {
        if let Err(error) = listed {
            tracing::warn!(%admin, %error, "an administrator is missing from the list of administrators; housekeeping will add the account");
        }
    }
}
