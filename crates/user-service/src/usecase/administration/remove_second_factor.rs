//! Turns off the second factor of an account without its codes: the help for a user who has lost the device and the
//! recovery codes, or who did not turn it on. An administrator uses the API, an operator the command line; both give a
//! reason, which the audit log keeps.
//!
//! All sessions end. After a lost device that costs the user one login; after an account takeover it is necessary. The
//! two cases cannot be distinguished here.

use std::sync::Arc;

use events::{SessionsEndedReason, TotpDisabledBy};
use jiff::Timestamp;
use service_kit::{Clock, Ids, mongo::StoreError};
use uuid::Uuid;

use super::admin_action::{AdminActionError, Decision};
use crate::{
    domain::{AdminReason, Email},
    outbox::{Origin, sessions_ended, totp_disabled},
    store::{Change, EndSessions, Precondition, Store, TotpChange, UserRecord},
    usecase::{
        account_service::AccountService,
        failure::Failure,
        write_outcome::{MAX_ATTEMPTS, WriteOutcome, write_outcome},
    },
};

/// The account that an operator names.
#[derive(Debug, Clone)]
pub enum AccountRef {
    Id(Uuid),
    /// The current email address.
    Email(Email),
}

/// The reason why the operator's command removed nothing.
#[derive(Debug, thiserror::Error)]
pub enum RemoveSecondFactorError {
    #[error("there is no such account")]
    NotFound,
    #[error("the account has no second factor")]
    NoSecondFactor,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for RemoveSecondFactorError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// Turns off the second factor of another account, as the administrator `admin`.
///
/// # Errors
/// Returns [`AdminActionError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn remove_second_factor(
    accounts: &Arc<AccountService>,
    id: Uuid,
    admin: Uuid,
    reason: &AdminReason,
    origin: Origin,
) -> Result<(), AdminActionError> {
    if id == admin {
        // Removing one's own second factor requires the password and a code, so that a stolen session is not enough.
        return Err(AdminActionError::OwnSecondFactor);
    }
    let this = Arc::clone(accounts);
    let origin = origin.by_admin(admin).with_reason(reason);
    let action = async move {
        let decide = |user: &UserRecord| {
            if user.totp.is_none() {
                return Err(AdminActionError::NoSecondFactor);
            }
            let change = removal_change(user, TotpDisabledBy::Admin, &this.ids, this.clock.now(), &origin);
            Ok(Some(Decision { change, admin_after: user.is_admin() }))
        };
        this.apply_admin_action(id, decide).await
    };
    accounts.writes.run_to_completion(action).await
}

/// Turns off the second factor of an account, as an operator. It uses the store only; a running service publishes the
/// events. Returns the account's id.
///
/// # Errors
/// Returns [`RemoveSecondFactorError`]. If the store was unavailable, the second factor may have been removed; the
/// caller repeats the call.
pub async fn remove_second_factor_as_operator(
    store: &Store,
    clock: &Clock,
    ids: &Ids,
    account: &AccountRef,
    reason: &AdminReason,
) -> Result<Uuid, RemoveSecondFactorError> {
    let origin = Origin::operator().with_reason(reason);
    for _ in 0..MAX_ATTEMPTS {
        let found = match account {
            AccountRef::Id(id) => store.users.by_id(*id).await?,
            AccountRef::Email(email) => store.users.by_email_key(email.key()).await?,
        };
        let user = found.ok_or(RemoveSecondFactorError::NotFound)?;
        if user.totp.is_none() {
            return Err(RemoveSecondFactorError::NoSecondFactor);
        }
        let change = removal_change(&user, TotpDisabledBy::Operator, ids, clock.now(), &origin);
        let commit = store.users.commit(user.id.into(), Precondition::Version(user.version), change).await?;
        if let WriteOutcome::Done(written) = write_outcome(commit)? {
            // Rows of ended sessions that are left here expire by themselves.
            let _ = store.sessions.delete_ended(written.id.into(), written.sessions).await;
            return Ok(user.id.into());
        }
    }
    Err(Failure::too_many_conflicts().into())
}

fn removal_change(user: &UserRecord, by: TotpDisabledBy, ids: &Ids, now: Timestamp, origin: &Origin) -> Change {
    let events = vec![
        totp_disabled(ids, &user.user(), Some(by), now, origin),
        sessions_ended(ids, user.id.into(), SessionsEndedReason::Admin, now, origin),
    ];
    // A second factor that is turned on later is a new one and gets an undo link.
    Change {
        totp: TotpChange::Forget,
        end_sessions: EndSessions::All,
        ignore_pending_limit: true,
        events,
        ..Change::default()
    }
}
