//! Disables, enables and deletes an account, and ends its sessions.

use std::sync::Arc;

use bson::doc;
use events::{DeletedBy, SessionsEndedReason, sealing::Purpose};
use uuid::Uuid;

use super::admin_action::{ActError, Decision};
use crate::{
    domain::{UserStatus, role},
    outbox::Origin,
    store::{Change, EndSessions, TokenChange, UserRecord},
    usecase::account_service::AccountService,
};

/// Refuses logins from now on, ends all sessions, and voids the one-time tokens, but for
/// the one that takes a change of address back. Nothing happens to one that is disabled.
///
/// # Errors
/// [`ActError`]; nothing was changed, except after an unavailable store.
pub async fn disable_user(accounts: &Arc<AccountService>, id: Uuid, origin: Origin) -> Result<(), ActError> {
    let this = Arc::clone(accounts);
    accounts.writes.run_to_completion(async move { this.act(id, |user| Ok(this.disabling(user, &origin))).await }).await
}

/// Accepts logins again. Nothing happens to an account that is active.
///
/// # Errors
/// [`ActError`]; nothing was changed, except after an unavailable store.
pub async fn enable_user(accounts: &Arc<AccountService>, id: Uuid, origin: Origin) -> Result<(), ActError> {
    let this = Arc::clone(accounts);
    accounts.writes.run_to_completion(async move { this.act(id, |user| Ok(this.enabling(user, &origin))).await }).await
}

impl AccountService {
    fn disabling(&self, user: &UserRecord, origin: &Origin) -> Option<Decision> {
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

    fn enabling(&self, user: &UserRecord, origin: &Origin) -> Option<Decision> {
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

/// Signs the person out everywhere, access tokens included. Where there is nothing to end
/// nothing is written.
///
/// # Errors
/// [`ActError`]; nothing was changed, except after an unavailable store.
pub async fn end_sessions(accounts: &Arc<AccountService>, id: Uuid, origin: Origin) -> Result<(), ActError> {
    let this = Arc::clone(accounts);
    let act = async move {
        let user = this.store.users.by_id(id).await?.ok_or(ActError::NotFound)?;
        if !this.has_sessions(&user, None).await? {
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
        this.act(id, decide).await
    };
    accounts.writes.run_to_completion(act).await
}

/// Deletes the account; the person gets the goodbye mail. `permits` judges the version
/// that is decided on (`If-Match`).
///
/// # Errors
/// [`ActError`]; nothing was changed, except after an unavailable store.
pub async fn delete_user(
    accounts: &Arc<AccountService>,
    id: Uuid,
    permits: impl Fn(i64) -> bool + Send + Sync + 'static,
    origin: Origin,
) -> Result<(), ActError> {
    let this = Arc::clone(accounts);
    let act = async move {
        let decide = |user: &UserRecord| {
            if !permits(user.version) {
                return Err(ActError::PreconditionFailed);
            }
            let event = this.outbox.deleted(id, user.user().recipient(), DeletedBy::Admin, this.clock.now(), &origin);
            let change =
                Change { tombstone: true, ignore_pending_limit: true, events: vec![event], ..Change::default() };
            Ok(Some(Decision { change, admin_after: false }))
        };
        this.act(id, decide).await
    };
    accounts.writes.run_to_completion(act).await
}
