//! The only place for writes that add or remove an administrator. One administrator always remains.

use service_kit::{fail_point, mongo::StoreError};

use crate::{
    domain::{UserStatus, role},
    store::{AdminRemoval, Change, Commit, Precondition, UserRecord},
    usecase::update::{AccountWriter, WriteError},
};

impl AccountWriter {
    /// Writes `change` if the precondition holds, and keeps the list of administrators correct. A change of the status or
    /// of the roles requires the version of `user` as its precondition.
    ///
    /// An account that loses the role leaves the list before the write. If nothing is written it is put back. If the
    /// outcome is unknown, or after a crash between the two steps, housekeeping puts it back.
    pub(in crate::usecase) async fn commit_with_admin_list(
        &self,
        user: &UserRecord,
        precondition: Precondition<'_>,
        change: Change,
    ) -> Result<Commit, WriteError> {
        let id = user.id.into();
        let (users, admins) = (&self.store.users, &self.store.admins);
        match (user.is_admin(), is_admin_after(user, &change)) {
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
                    return Err(WriteError::LastAdmin);
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

fn is_admin_after(user: &UserRecord, change: &Change) -> bool {
    let status = change.status.unwrap_or(user.status);
    let roles = change.roles.as_ref().unwrap_or(&user.roles);
    !change.tombstone && status == UserStatus::Active && role::has_admin(roles)
}
