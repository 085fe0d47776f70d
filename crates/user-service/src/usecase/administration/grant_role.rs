//! Grants a role from the command line: this creates the first administrator. It uses the store only; a running service
//! publishes the event.

use events::{RolesChangedBy, UserRolesChanged};
use service_kit::Ids;
use uuid::Uuid;

use crate::{
    domain::{Email, Invalid, Role, Roles},
    outbox::{Origin, event},
    problem::Problem,
    store::{Change, UserRecord},
    usecase::update::{AccountWriter, Attempt, ByEmail, Decision},
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
    Problem(Problem),
}

impl From<Problem> for GrantRoleError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::NotFound => Self::UnknownAddress,
            other => Self::Problem(other),
        }
    }
}

/// Grants the role to the account with this current address. It may be repeated; a repetition also puts an
/// administrator back into the list of administrators after a crash.
///
/// # Errors
/// Returns [`GrantRoleError`]. If the store was unavailable, the role may have been granted; the caller repeats the
/// call.
pub async fn grant_role(
    writer: &AccountWriter,
    ids: &Ids,
    email: &Email,
    role: &Role,
) -> Result<GrantedRole, GrantRoleError> {
    let grant = |user: &UserRecord, (), Attempt { now, .. }: Attempt| {
        if user.roles.iter().any(|has| has == role.as_str()) {
            return Ok(Decision::Unchanged(Ok(false)));
        }
        let roles = match Roles::with_added(&user.roles, role) {
            Ok(roles) => roles.as_slice().to_vec(),
            Err(invalid) => return Ok(Decision::Unchanged(Err(invalid))),
        };
        let payload = UserRolesChanged { user_id: user.id.into(), roles: roles.clone(), by: RolesChangedBy::Operator };
        let events = vec![event(ids, now, &Origin::operator(), payload)];
        Ok(Decision::Write(Change { roles: Some(roles), events, ..Change::default() }, Ok(true)))
    };
    let updated = writer.update(ByEmail::new(&writer.store, email), grant).await?;
    let changed = updated.result.clone().map_err(GrantRoleError::TooMany)?;
    let user = updated.into_user()?;
    let id = user.id.into();
    if user.is_admin() {
        writer.store.admins.ensure_listed(id).await.map_err(Problem::from)?;
    }
    Ok(GrantedRole { user: id, roles: user.roles, changed })
}
