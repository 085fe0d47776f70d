//! Disables, enables and deletes an account, and ends its sessions.

use std::sync::Arc;

use bson::doc;
use events::{DeletedBy, SessionsEndedReason, sealing::Purpose};
use uuid::Uuid;

use super::admin_action::{AdminActionError, Decision};
use crate::{
    domain::{UserStatus, role},
    outbox::Origin,
    store::{Change, EndSessions, TokenChange, UserRecord},
    usecase::account_service::AccountService,
};

/// Disables an account: refuses logins, ends all sessions, and invalidates the one-time tokens except those that undo a
/// change of the address. An account that is already disabled stays unchanged.
///
/// # Errors
/// Returns [`AdminActionError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn disable_user(accounts: &Arc<AccountService>, id: Uuid, origin: Origin) -> Result<(), AdminActionError> {
    let this = Arc::clone(accounts);
    accounts
        .writes
        .run_to_completion(
            async move { this.apply_admin_action(id, |user| Ok(this.decide_disable(user, &origin))).await },
        )
        .await
}

/// Enables an account: accepts logins again. An active account stays unchanged.
///
/// # Errors
/// Returns [`AdminActionError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn enable_user(accounts: &Arc<AccountService>, id: Uuid, origin: Origin) -> Result<(), AdminActionError> {
    let this = Arc::clone(accounts);
    accounts
        .writes
        .run_to_completion(
            async move { this.apply_admin_action(id, |user| Ok(this.decide_enable(user, &origin))).await },
        )
        .await
}

impl AccountService {
    fn decide_disable(&self, user: &UserRecord, origin: &Origin) -> Option<Decision> {
        if user.status == UserStatus::Disabled {
            return None;
        }
        let change = Change {
            set: doc! { "status": UserStatus::Disabled.as_str() },
            tokens: TokenChange::DropAllBut(Purpose::EmailChangeUndo),
            end_sessions: EndSessions::All,
            events: vec![self.outbox.disabled(user.id.into(), self.clock.now(), origin)],
            ignore_pending_limit: true,
            ..Change::default()
        };
        Some(Decision { change, admin_after: false })
    }

    fn decide_enable(&self, user: &UserRecord, origin: &Origin) -> Option<Decision> {
        if user.status == UserStatus::Active {
            return None;
        }
        let change = Change {
            set: doc! { "status": UserStatus::Active.as_str() },
            events: vec![self.outbox.enabled(user.id.into(), self.clock.now(), origin)],
            ..Change::default()
        };
        Some(Decision { change, admin_after: role::has_admin(&user.roles) })
    }
}

/// Ends all sessions of an account, including their access tokens. If there is no session to end, nothing is written.
///
/// # Errors
/// Returns [`AdminActionError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn end_sessions(accounts: &Arc<AccountService>, id: Uuid, origin: Origin) -> Result<(), AdminActionError> {
    let this = Arc::clone(accounts);
    let action = async move {
        let user = this.store.users.by_id(id).await?.ok_or(AdminActionError::NotFound)?;
        if !this.has_sessions_to_end(&user, None).await? {
            return Ok(());
        }
        let decide = |user: &UserRecord| {
            let event = this.outbox.sessions_ended(id, SessionsEndedReason::Admin, this.clock.now(), &origin);
            let change = Change {
                end_sessions: EndSessions::All,
                events: vec![event],
                ignore_pending_limit: true,
                ..Change::default()
            };
            Ok(Some(Decision { change, admin_after: user.is_admin() }))
        };
        this.apply_admin_action(id, decide).await
    };
    accounts.writes.run_to_completion(action).await
}

/// Deletes an account; its owner gets a mail. `permits` is called with the version that the deletion is based on
/// (`If-Match`).
///
/// # Errors
/// Returns [`AdminActionError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn delete_user(
    accounts: &Arc<AccountService>,
    id: Uuid,
    permits: impl Fn(i64) -> bool + Send + Sync + 'static,
    origin: Origin,
) -> Result<(), AdminActionError> {
    let this = Arc::clone(accounts);
    let action = async move {
        let decide = |user: &UserRecord| {
            if !permits(user.version) {
                return Err(AdminActionError::PreconditionFailed);
            }
            let event = this.outbox.deleted(id, user.user().recipient(), DeletedBy::Admin, this.clock.now(), &origin);
            let change =
                Change { tombstone: true, ignore_pending_limit: true, events: vec![event], ..Change::default() };
            Ok(Some(Decision { change, admin_after: false }))
        };
        this.apply_admin_action(id, decide).await
    };
    accounts.writes.run_to_completion(action).await
}
