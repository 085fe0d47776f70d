//! Ends a lock early: clears all recorded failures of the account.

use std::sync::Arc;

use bson::{Bson, doc};
use events::UserUnlocked;
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    domain::User,
    outbox::Origin,
    problem::Problem,
    store::{Change, UserRecord},
    usecase::{
        account_service::AccountService,
        update::{Attempt, Decision, Load},
    },
};

/// Lets every client try again immediately. If no failures are recorded, nothing is written.
///
/// # Errors
/// Returns [`Problem::NotFound`]. If the store was unavailable, some of the failures may be cleared already.
pub async fn unlock(accounts: &Arc<AccountService>, id: Uuid, origin: Origin) -> Result<User, Problem> {
    let load = WithoutFailures { accounts: Arc::clone(accounts), id, had_failures: false };
    let outbox = accounts.outbox.clone();
    let unlock = move |user: &UserRecord, had_failures: bool, Attempt { now, .. }: Attempt| {
        if !had_failures && user.locked_until.is_none() {
            return Ok(Decision::Unchanged(()));
        }
        let change = Change {
            set: doc! { "lockedUntil": Bson::Null },
            events: vec![outbox.event(now, &origin, UserUnlocked { user_id: id })],
            ..Change::default()
        };
        Ok(Decision::Write(change, ()))
    };
    Ok(accounts.update(load, unlock).await?.into_user()?.user())
}

/// The account with this id, whose failed attempts are reset; the proof is whether there were any.
struct WithoutFailures {
    accounts: Arc<AccountService>,
    id: Uuid,
    had_failures: bool,
}

impl Load for WithoutFailures {
    type Proof = bool;

    async fn load(&mut self, now: Timestamp) -> Result<(UserRecord, bool), Problem> {
        let (user, ()) = self.accounts.by_id(self.id).load(now).await?;
        self.had_failures |= self.accounts.rate_limiter.clear_failures(&user).await?;
        Ok((user, self.had_failures))
    }
}
