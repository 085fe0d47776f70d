//! `users remove-second-factor`: for a user who has lost device and recovery codes.

use service_kit::{Clock, Ids, cli::UsageError};
use uuid::Uuid;

use crate::{
    domain::{Email, Reason},
    store::Store,
    usecase::{self, AccountRef},
};

/// Removes it; the events are published by the running service, or by the next that runs.
///
/// # Errors
/// What was typed is no account or no reason (exit code 2); there is no such account, it
/// has no second factor, or the database is away (1).
pub(super) async fn run(store: &Store, account: &str, reason: &str, json: bool) -> anyhow::Result<()> {
    let account = match Uuid::try_parse(account) {
        Ok(id) => AccountRef::Id(id),
        Err(_) => AccountRef::Email(
            Email::parse(account)
                .map_err(|_| UsageError("Name the account by its current email address or by its id.".into()))?,
        ),
    };
    let reason = Reason::parse(reason).map_err(|invalid| UsageError(invalid.detail))?;
    let (clock, ids) = (Clock::system(), Ids::random());
    let user = usecase::remove_second_factor_as_operator(store, &clock, &ids, &account, &reason).await?;
    // Never the address: the output ends up in logs.
    if json {
        println!("{}", serde_json::json!({ "userId": user, "removed": true }));
    } else {
        println!("user {user} has no second factor now; all sessions have ended");
    }
    Ok(())
}
