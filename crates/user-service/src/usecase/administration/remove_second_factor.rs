//! Turns off the second factor of an account without its codes: the help for a user who has lost the device and the
//! recovery codes, or who did not turn it on. An administrator uses the API, an operator the command line; both give a
//! reason, which the audit log keeps.
//!
//! All sessions end. After a lost device that costs the user one login; after an account takeover it is necessary. The
//! two cases cannot be distinguished here.

use std::sync::Arc;

use events::{SessionsEndedReason, TotpDisabledBy, UserSessionsEnded, UserTotpDisabled};
use service_kit::Ids;
use uuid::Uuid;

use crate::{
    domain::{AdminReason, Email},
    outbox::{Origin, event},
    problem::{Problem, Validation},
    store::{Change, EndSessions, TotpChange, UserRecord},
    usecase::{
        account_service::AccountService,
        second_factor::check_code::NO_SECOND_FACTOR,
        update::{AccountWriter, Attempt, ByEmail, ById, Decision},
    },
};

/// The account that an operator names.
#[derive(Debug, Clone)]
pub enum AccountRef {
    Id(Uuid),
    /// The current email address.
    Email(Email),
}

/// Turns off the second factor of another account, as the administrator `admin`.
///
/// # Errors
/// Returns [`Problem::ValidationFailed`] for a bad reason, [`Problem::NotFound`], or a conflict if the account has no
/// second factor or is that of the administrator.
pub async fn remove_second_factor(
    accounts: &Arc<AccountService>,
    id: Uuid,
    admin: Uuid,
    reason: &str,
    origin: Origin,
) -> Result<(), Problem> {
    let reason = Validation::only("reason", AdminReason::parse(reason))?;
    if id == admin {
        // Removing one's own second factor requires the password and a code, so that a stolen session is not enough.
        return Err(Problem::Conflict(
            "This is your own account. Remove its second factor with your password and a code.",
        ));
    }
    let remove = decide_removal(TotpDisabledBy::Admin, accounts.ids.clone(), origin.with_reason(&reason));
    accounts.update(accounts.by_id(id), remove).await.map(|_| ())
}

/// Turns off the second factor of an account, as an operator. It uses the store only; a running service publishes the
/// events. Returns the account's id.
///
/// # Errors
/// Returns [`Problem::NotFound`] or [`Problem::Conflict`]. If the store was unavailable, the second factor may have been
/// removed; the caller repeats the call.
pub async fn remove_second_factor_as_operator(
    writer: &AccountWriter,
    ids: &Ids,
    account: &AccountRef,
    reason: &AdminReason,
) -> Result<Uuid, Problem> {
    let remove = decide_removal(TotpDisabledBy::Operator, ids.clone(), Origin::operator().with_reason(reason));
    let updated = match account {
        AccountRef::Id(id) => writer.update(ById { users: writer.store.users.clone(), id: *id }, remove).await,
        AccountRef::Email(email) => writer.update(ByEmail::new(&writer.store, email), remove).await,
    };
    Ok(updated?.into_user()?.id.into())
}

/// Returns the decision to turn off the second factor and to end all sessions.
fn decide_removal(
    by: TotpDisabledBy,
    ids: Ids,
    origin: Origin,
) -> impl FnMut(&UserRecord, (), Attempt) -> Result<Decision<()>, Problem> {
    move |record, (), Attempt { now, .. }| {
        if record.totp.is_none() {
            return Err(Problem::Conflict(NO_SECOND_FACTOR));
        }
        let user = record.user();
        let disabled = UserTotpDisabled { user_id: user.id, recipient: user.recipient(), by: Some(by) };
        let ended = UserSessionsEnded { user_id: user.id, reason: SessionsEndedReason::Admin };
        // A second factor that is turned on later is a new one and gets an undo link.
        let change = Change {
            totp: TotpChange::Forget,
            end_sessions: EndSessions::All,
            ignore_pending_limit: true,
            events: vec![event(&ids, now, &origin, disabled), event(&ids, now, &origin, ended)],
            ..Change::default()
        };
        Ok(Decision::Write(change, ()))
    }
}
