//! Deleting somebody's account.

use std::sync::Arc;

use events::DeletedBy;
use uuid::Uuid;

use super::{ActError, act::Decision};
use crate::{
    outbox::Origin,
    store::{Change, UserRecord},
    usecase::Accounts,
};

/// Deletes the account; the person gets the goodbye mail. `permits` judges the version
/// that is decided on (`If-Match`).
///
/// # Errors
/// [`ActError`]; nothing was changed, except after an unavailable store.
pub async fn delete_user(
    accounts: &Arc<Accounts>,
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
            let change = Change { bury: true, beyond_bound: true, events: vec![event], ..Change::default() };
            Ok(Some(Decision { change, admin_after: false }))
        };
        this.act(id, decide).await
    };
    accounts.writes.to_the_end(act).await
}
