//! The one door for writes that may make or unmake an admin: there always is one left.

use service_kit::{fail_point, mongo::StoreError};

use crate::{
    store::{Change, Commit, Leaving, Precondition, UserRecord},
    usecase::account_service::AccountService,
};

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(in crate::usecase) enum AdminWriteError {
    /// Nobody else is an admin.
    #[error("the last administrator")]
    LastAdmin,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AccountService {
    /// Writes `change`, decided on the version of `user`, and keeps the list of admins
    /// true. Whether the account is an admin's afterwards is `admin_after`.
    ///
    /// Who is none any more has left the list before the write. If nothing is written
    /// they are put back; when that is not known, and after a crash in between, by the
    /// housekeeping.
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
                let admission = admins.admission().await?;
                let commit = users.commit(id, precondition, change).await?;
                if matches!(commit, Commit::Done(_)) {
                    self.log_if_not_listed(id, admins.admit(id, admission).await);
                }
                Ok(commit)
            }
            (true, false) => {
                if admins.leave(id).await? == Leaving::Last {
                    return Err(AdminWriteError::LastAdmin);
                }
                fail_point!("admins.after_pull");
                let commit = users.commit(id, precondition, change).await;
                let surely_not_written = match &commit {
                    Ok(commit) => matches!(commit, Commit::Conflict | Commit::PendingFull),
                    Err(error) => !error.outcome_unknown(),
                };
                if surely_not_written {
                    self.log_if_not_listed(id, admins.readmit(id).await);
                }
                Ok(commit?)
            }
            _ => Ok(users.commit(id, precondition, change).await?),
        }
    }

    /// The account is as it should be; only the list is not, and can be mended later.
    fn log_if_not_listed<T>(&self, admin: uuid::Uuid, admitted: Result<T, StoreError>) {
        if let Err(error) = admitted {
            tracing::warn!(%admin, %error, "an admin is not in the list of admins; housekeeping will put them back");
        }
    }
}
