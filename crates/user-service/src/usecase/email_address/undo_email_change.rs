//! Undoes a change of the email address, through the link that was mailed to the old address. An attacker may know the
//! password, be signed in, and have added a second factor since. Therefore the same write ends all sessions, makes the
//! password unusable, removes the second factor, and starts a password reset.

use std::sync::Arc;

use events::sealing::Purpose;

use crate::{
    domain::undo_links,
    outbox::Origin,
    problem::Problem,
    store::{Change, TokenRecord, UserRecord},
    usecase::{
        account_service::AccountService,
        mailed_links::link_validity::used_links,
        update::{Attempt, Decision},
    },
};

/// Redeems the token: the account has the old address again.
///
/// # Errors
/// Returns [`Problem::TokenInvalid`].
pub async fn undo_email_change(accounts: &Arc<AccountService>, token: &str, origin: Origin) -> Result<(), Problem> {
    accounts.rate_limiter.charge_request(&origin).await?;
    let holder = accounts.token_holder(token, Purpose::EmailChangeUndo)?;
    let this = Arc::clone(accounts);
    let undo = move |record: &UserRecord, spent: TokenRecord, Attempt { now, .. }: Attempt| {
        let (emails, reservation) = (record.email_history(), spent.reservation());
        let changed_at = this.address_left_at(record, &reservation);
        let plan = undo_links::plan_email_undo(emails, &reservation, changed_at, record.factor_since(), now);
        let plan = plan.ok_or(Problem::TokenInvalid)?;
        let used_tokens = used_links(record, spent.used(now), &[], now);
        let change = this.undo_write(record, plan, &spent.hash.bytes, |_| None, now, &origin);
        Ok(Decision::Write(Change { used_tokens, ..change }, ()))
    };
    accounts.update(holder, undo).await.map(|_| ())
}
