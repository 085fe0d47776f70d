//! `grant-role`: grants a role, for example to the first administrator.

use clap::Args;
use service_kit::{
    Clock, Ids,
    cli::{UsageError, print_result},
};

use super::open_store;
use crate::{
    config::Config,
    domain::{Email, Role},
    usecase::{self, AccountWriter, GrantedRole},
};

/// The arguments of `grant-role`.
#[derive(Args)]
pub(super) struct GrantRole {
    /// Grant the role to the account with this current email address
    email: String,
    /// Grant this role: 1 to 32 characters of a-z, 0-9, `_` and `-`; `admin` allows the account to administrate others
    role: String,
}

/// Grants the role. The event is published by the running service, or by the next one that starts.
///
/// # Errors
/// Returns a [`UsageError`] (exit code 2) if the arguments are not an address and a role, and another error (exit code 1)
/// if no account has the address or the database is unavailable.
pub(super) async fn run(config: &Config, args: GrantRole, json: bool) -> anyhow::Result<()> {
    let email = Email::parse(&args.email).map_err(|invalid| UsageError(invalid.detail))?;
    let role = Role::parse(&args.role).map_err(|invalid| UsageError(invalid.detail))?;
    let (_, store) = open_store(config).await?;
    let writer = AccountWriter { store, clock: Clock::system(), relay: None };
    let granted = usecase::grant_role(&writer, &Ids::random(), &email, &role).await?;
    let GrantedRole { user, roles, changed } = &granted;
    let value = serde_json::json!({ "userId": user, "roles": roles, "changed": changed });
    // The output never contains the address, because output ends up in logs.
    let has = if *changed { "has" } else { "had already" };
    print_result(json, &value, format_args!("user {user} {has} the role; all roles: {}", roles.join(", ")))
}
