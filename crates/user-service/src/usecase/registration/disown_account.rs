//! Disowns an account: the owner of a mailbox declares, through the verification link, that the account is not theirs.
//! The user who registered it loses access permanently: no password, session or link is valid any more. The account
//! stays unverified and expires like any unverified account, unless a password reset takes it over.

use std::sync::Arc;

use bson::{Bson, doc};
use events::{UserDisowned, sealing::Purpose};

use crate::{
    outbox::Origin,
    problem::Problem,
    store::{Change, EndSessions, TokenChange, TokenRecord, TotpChange, UserRecord},
    usecase::{
        account_service::AccountService,
        mailed_links::link_validity::used_links,
        update::{Attempt, Decision},
    },
};

/// Redeems the token, and invalidates every other link of the account.
///
/// # Errors
/// Returns [`Problem::TokenInvalid`], also if the address is verified.
pub async fn disown_account(accounts: &Arc<AccountService>, token: &str, origin: Origin) -> Result<(), Problem> {
    accounts.rate_limiter.charge_request(&origin).await?;
    let holder = accounts.token_holder(token, Purpose::EmailVerification)?;
    let this = Arc::clone(accounts);
    let disown = move |record: &UserRecord, token: TokenRecord, Attempt { now, .. }: Attempt| {
        if record.email_verified {
            return Err(Problem::TokenInvalid);
        }
        let user = record.user();
        let disowned = this.outbox.event(now, &origin, UserDisowned { user_id: user.id });
        let totp_disabled = record.totp.is_some().then(|| this.totp_disabled_by_mailbox(&user, now, &origin));
        let change = Change {
            set: doc! { "undoTokens": Bson::Null },
            replaced_password: Some(this.hashes.unmatchable_hash()),
            tokens: TokenChange::Replace(Vec::new()),
            used_tokens: used_links(record, token.used(now), &[Purpose::EmailVerification], now),
            totp: TotpChange::Forget,
            end_sessions: EndSessions::All,
            ignore_pending_limit: true,
            events: [disowned].into_iter().chain(totp_disabled).collect(),
            ..Change::default()
        };
        Ok(Decision::Write(change, ()))
    };
    accounts.update(holder, disown).await.map(|_| ())
}
