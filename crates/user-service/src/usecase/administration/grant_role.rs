//! Grants a role from the command line: this creates the first administrator. It uses the store only; a running service
//! publishes the event.

use bson::doc;
use service_kit::{Clock, Ids, mongo::StoreError};
use uuid::Uuid;

use crate::{
    domain::{Email, Invalid, Role, Roles, UserStatus},
    outbox::{Origin, roles_changed},
    store::{Change, Precondition, Store},
    usecase::{
        failure::Failure,
        write_outcome::{MAX_ATTEMPTS, WriteOutcome, write_outcome},
    },
};

/// The result of a grant.
#[derive(Debug)]
pub struct GrantedRole {
    pub user: Uuid,
    pub roles: Vec<String>,
    /// `false` if the account already had the role.
    pub changed: bool,
}

/// The reason why the role was not granted.
#[derive(Debug, thiserror::Error)]
pub enum GrantRoleError {
    #[error("no account has this email address")]
    UnknownAddress,
    #[error("{0}")]
    TooMany(Invalid),
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for GrantRoleError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// Grants the role to the account with this current address. It may be repeated; a repetition also puts an
/// administrator back into the list of administrators after a crash.
///
/// # Errors
/// Returns [`GrantRoleError`]. If the store was unavailable, the role may have been granted; the caller repeats the
/// call.
pub async fn grant_role(
    store: &Store,
    clock: &Clock,
    ids: &Ids,
    email: &Email,
    role: &Role,
) -> Result<GrantedRole, GrantRoleError> {
    for _ in 0..MAX_ATTEMPTS {
        let user = store.users.by_email_key(email.key()).await?.ok_or(GrantRoleError::UnknownAddress)?;
        let id = user.id.into();
        if user.roles.iter().any(|has| has == role.as_str()) {
            store.admins.ensure_listed(id).await?;
            return Ok(GrantedRole { user: id, roles: user.roles, changed: false });
        }
        let roles = Roles::with_added(&user.roles, role).map_err(GrantRoleError::TooMany)?;
        let becomes_admin = !user.is_admin() && user.status == UserStatus::Active && roles.has_admin();
        let removal_count = if becomes_admin { Some(store.admins.removal_count().await?) } else { None };
        let event = roles_changed(ids, id, roles.as_slice(), clock.now(), &Origin::operator());
        let change = Change { set: doc! { "roles": roles.as_slice() }, events: vec![event], ..Change::default() };
        let commit = store.users.commit(id, Precondition::Version(user.version), change).await?;
        if let WriteOutcome::Done(written) = write_outcome(commit)? {
            if let Some(removal_count) = removal_count {
                store.admins.add(id, removal_count).await?;
            }
            return Ok(GrantedRole { user: id, roles: written.roles, changed: true });
        }
    }
    Err(Failure::too_many_conflicts().into())
}
