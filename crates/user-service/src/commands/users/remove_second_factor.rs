//! `users remove-second-factor`: for a user who has lost the device and the recovery codes.

use service_kit::{
    Clock, Ids,
    cli::{UsageError, print_result},
};
use uuid::Uuid;

use crate::{
    domain::{AdminReason, Email},
    problem::Problem,
    store::Store,
    usecase::{self, AccountRef, AccountWriter},
};

/// Removes the second factor. The events are published by the running service, or by the next one that starts.
///
/// # Errors
/// Returns a [`UsageError`] (exit code 2) if the arguments are not an account and a reason, and another error (exit code
/// 1) if there is no such account, it has no second factor, or the database is unavailable.
pub(super) async fn run(store: &Store, account: &str, reason: &str, json: bool) -> anyhow::Result<()> {
    let account = match Uuid::try_parse(account) {
        Ok(id) => AccountRef::Id(id),
        Err(_) => AccountRef::Email(
            Email::parse(account)
                .map_err(|_| UsageError("Name the account by its current email address or by its id.".into()))?,
        ),
    };
    let reason = AdminReason::parse(reason).map_err(|invalid| UsageError(invalid.detail))?;
    let writer = AccountWriter { store: store.clone(), clock: Clock::system(), relay: None };
    let removed = usecase::remove_second_factor_as_operator(&writer, &Ids::random(), &account, &reason).await;
    let user = removed.map_err(|problem| match problem {
        Problem::NotFound => anyhow::anyhow!("there is no such account"),
        other => other.into(),
    })?;
    // The output never contains the address, because it ends up in logs.
    let value = serde_json::json!({ "userId": user, "removed": true });
    print_result(json, &value, format_args!("the second factor of user {user} was removed; all sessions have ended"))
}
