//! Ending all sessions of an account.

use std::sync::Arc;

use events::SessionsEndedReason;
use uuid::Uuid;

use super::{ActError, act::Decision};
use crate::{
    outbox::Origin,
    store::{Change, UserRecord},
    usecase::Accounts,
};

/// Signs the person out everywhere, access tokens included. Where there is nothing to end
/// nothing is written.
///
/// # Errors
/// [`ActError`]; nothing was changed, except after an unavailable store.
pub async fn end_sessions(accounts: &Arc<Accounts>, id: Uuid, origin: Origin) -> Result<(), ActError> {
    let this = Arc::clone(accounts);
    let act = async move {
        let user = this.store.users.by_id(id).await?.ok_or(ActError::NotFound)?;
        if !this.has_sessions(&user, None).await? {
            return Ok(());
        }
        let decide = |user: &UserRecord| {
            let event = this.outbox.sessions_ended(id, SessionsEndedReason::Admin, this.clock.now(), &origin);
            let change =
                Change { end_sessions: Some(None), events: vec![event], beyond_bound: true, ..Change::default() };
            Ok(Some(Decision { change, admin_after: user.is_admin() }))
        };
        this.act(id, decide).await
    };
    accounts.writes.to_the_end(act).await
}
