//! Disabling an account and enabling it again.

use std::sync::Arc;

use bson::doc;
use events::sealing::Purpose;
use uuid::Uuid;

use super::{ActError, act::Decision};
use crate::{
    domain::{UserStatus, role},
    outbox::Origin,
    store::{Change, TokenChange, UserRecord},
    usecase::Accounts,
};

/// Refuses logins from now on, ends all sessions, and voids the one-time tokens, but for
/// the one that takes a change of address back. Nothing happens to one that is disabled.
///
/// # Errors
/// [`ActError`]; nothing was changed, except after an unavailable store.
pub async fn disable_user(accounts: &Arc<Accounts>, id: Uuid, origin: Origin) -> Result<(), ActError> {
    let this = Arc::clone(accounts);
    accounts.writes.to_the_end(async move { this.act(id, |user| Ok(this.disabling(user, &origin))).await }).await
}

/// Accepts logins again. Nothing happens to an account that is active.
///
/// # Errors
/// [`ActError`]; nothing was changed, except after an unavailable store.
pub async fn enable_user(accounts: &Arc<Accounts>, id: Uuid, origin: Origin) -> Result<(), ActError> {
    let this = Arc::clone(accounts);
    accounts.writes.to_the_end(async move { this.act(id, |user| Ok(this.enabling(user, &origin))).await }).await
}

impl Accounts {
    fn disabling(&self, user: &UserRecord, origin: &Origin) -> Option<Decision> {
        if user.status == UserStatus::Disabled {
            return None;
        }
        let change = Change {
            set: doc! { "status": UserStatus::Disabled.as_str() },
            tokens: TokenChange::DropAllBut(Purpose::EmailChangeUndo),
            end_sessions: Some(None),
            events: vec![self.outbox.disabled(user.id.into(), self.clock.now(), origin)],
            beyond_bound: true,
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
        Some(Decision { change, admin_after: role::administrate(&user.roles) })
    }
}
