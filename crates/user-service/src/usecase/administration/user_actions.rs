//! Disables, enables and deletes an account, and ends its sessions. Events have no actor of their own for a client, so it
//! counts as an administrator there; only the audit log tells them apart.

use std::sync::Arc;

use bson::{DateTime, Document, doc};
use events::{
    DeletedBy, SessionsEndedReason, StatusChangedBy, UserDeleted, UserDisabled, UserEnabled, UserSessionsEnded,
};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    domain::{ExpectedVersion, UserStatus},
    outbox::Origin,
    problem::Problem,
    store::{Change, EndSessions, UserRecord},
    usecase::{
        account_service::AccountService,
        update::{Attempt, Decision, Load, Managed, require_version},
    },
};

/// Disables an account: refuses logins, ends all sessions, and invalidates the one-time tokens except those that undo a
/// change of the address. The link of an invitation expires. An account that is already disabled stays unchanged.
///
/// # Errors
/// Returns [`Problem::NotFound`], a conflict for the last administrator, or [`Problem::ForbiddenBecause`].
pub async fn disable_user(accounts: &Arc<AccountService>, id: Uuid, origin: Origin) -> Result<(), Problem> {
    let (account, outbox) = (accounts.managed(id, &origin), accounts.outbox.clone());
    let disable = move |user: &UserRecord, (), attempt: Attempt| {
        if user.status == UserStatus::Disabled {
            return Ok(Decision::Unchanged(()));
        }
        let payload = UserDisabled { user_id: id, by: StatusChangedBy::Admin };
        let expired = doc! { "invitation.expiresAt": DateTime::from(attempt.now) };
        let change = Change {
            set: user.invitation.as_ref().map_or_else(Document::new, |_| expired),
            status: Some(UserStatus::Disabled),
            events: vec![outbox.event(attempt.now, &origin, payload)],
            ignore_pending_limit: true,
            ..Change::default()
        };
        Ok(Decision::Write(change, ()))
    };
    accounts.update(account, disable).await.map(|_| ())
}

/// Enables an account: accepts logins again. An active account stays unchanged.
///
/// # Errors
/// Returns [`Problem::NotFound`] or [`Problem::ForbiddenBecause`].
pub async fn enable_user(accounts: &Arc<AccountService>, id: Uuid, origin: Origin) -> Result<(), Problem> {
    let (account, outbox) = (accounts.managed(id, &origin), accounts.outbox.clone());
    let enable = move |user: &UserRecord, (), attempt: Attempt| {
        if user.status == UserStatus::Active {
            return Ok(Decision::Unchanged(()));
        }
        let payload = UserEnabled { user_id: id, by: StatusChangedBy::Admin };
        let change = Change {
            status: Some(UserStatus::Active),
            events: vec![outbox.event(attempt.now, &origin, payload)],
            ..Change::default()
        };
        Ok(Decision::Write(change, ()))
    };
    accounts.update(account, enable).await.map(|_| ())
}

/// Ends all sessions of an account, including their access tokens. If there is no session to end, nothing is written.
///
/// # Errors
/// Returns [`Problem::NotFound`] or [`Problem::ForbiddenBecause`].
pub async fn end_sessions(accounts: &Arc<AccountService>, id: Uuid, origin: Origin) -> Result<(), Problem> {
    let load = WithSessionsToEnd { accounts: Arc::clone(accounts), account: accounts.managed(id, &origin) };
    let outbox = accounts.outbox.clone();
    let end = move |_: &UserRecord, has_sessions: bool, attempt: Attempt| {
        if !has_sessions {
            return Ok(Decision::Unchanged(()));
        }
        let payload = UserSessionsEnded { user_id: id, reason: SessionsEndedReason::Admin };
        let change = Change {
            end_sessions: EndSessions::All,
            events: vec![outbox.event(attempt.now, &origin, payload)],
            ignore_pending_limit: true,
            ..Change::default()
        };
        Ok(Decision::Write(change, ()))
    };
    accounts.update(load, end).await.map(|_| ())
}

/// The account with this id, and whether it has sessions to end.
struct WithSessionsToEnd {
    accounts: Arc<AccountService>,
    account: Managed,
}

impl Load for WithSessionsToEnd {
    type Proof = bool;

    async fn load(&mut self, now: Timestamp) -> Result<(UserRecord, bool), Problem> {
        let (user, ()) = self.account.load(now).await?;
        let has_sessions = self.accounts.has_sessions_to_end(&user, None).await?;
        Ok((user, has_sessions))
    }
}

/// Deletes an account; its owner gets a mail.
///
/// # Errors
/// Returns [`Problem::NotFound`], [`Problem::PreconditionFailed`], or a conflict for the last administrator.
pub async fn delete_user(
    accounts: &Arc<AccountService>,
    id: Uuid,
    expected: ExpectedVersion,
    origin: Origin,
) -> Result<(), Problem> {
    let (account, outbox) = (accounts.managed(id, &origin), accounts.outbox.clone());
    let delete = move |user: &UserRecord, (), attempt: Attempt| {
        require_version(&expected, user)?;
        let payload = UserDeleted { user_id: id, by: DeletedBy::Admin, recipient: user.user().recipient() };
        Ok(Decision::Write(Change::tombstone(outbox.event(attempt.now, &origin, payload)), ()))
    };
    accounts.update(account, delete).await.map(|_| ())
}
