//! `grant-role`: how the first administrator comes to be.

use clap::Args;
use service_kit::{Clock, Ids, cli::UsageError, mongo};

use crate::{
    config::Config,
    domain::{Email, Role},
    store::Store,
    usecase::{self, GrantedRole},
};

/// Whom to give what.
#[derive(Args)]
pub(super) struct GrantRole {
    /// The account's current e-mail address
    email: String,
    /// 1 to 32 of a-z, 0-9, `_` and `-`; `admin` lets the account administrate the others
    role: String,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Gives the role; the event is published by the running service, or by the next that runs.
///
/// # Errors
/// What was typed is no address or no role (exit code 2); no account has the address, or
/// the database is away (1).
pub(super) async fn run(config: &Config, typed: GrantRole) -> anyhow::Result<()> {
    let email = Email::parse(&typed.email).map_err(|invalid| UsageError(invalid.detail))?;
    let role = Role::parse(&typed.role).map_err(|invalid| UsageError(invalid.detail))?;
    let client = mongo::client(&config.mongodb, "user-service").await?;
    let database = client.database(&config.mongodb.database);
    let store = Store::new(&database, config.mongodb.operation_timeout, config.relay.max_pending_per_user);
    let granted = usecase::grant_role(&store, &Clock::system(), &Ids::random(), &email, &role).await?;
    println!("{}", line(&granted, typed.json));
    Ok(())
}

/// Never the address: the output ends up in logs.
fn line(granted: &GrantedRole, json: bool) -> String {
    let GrantedRole { user, roles, changed } = granted;
    if json {
        return serde_json::json!({ "userId": user, "roles": roles, "changed": changed }).to_string();
    }
    let what = if *changed { "has" } else { "had already" };
    format!("user {user} {what} the role; all roles: {}", roles.join(", "))
}
