//! Verifies an email address with the token from the mail, and sends another token.

use std::sync::Arc;

use bson::doc;
use events::{UserEmailVerificationRequested, UserEmailVerified, sealing::Purpose};

use crate::{
    domain::UserStatus,
    outbox::Origin,
    problem::Problem,
    store::{Change, TokenChange, TokenRecord, UserRecord},
    usecase::{
        account_service::AccountService,
        mailed_links::link_validity::used_links,
        registration::username_claim::claim_username,
        update::{Attempt, ByEmail, Decision},
    },
};

/// The maximum number of valid verification tokens per account; the newest ones are valid.
const VALID_AT_ONCE: usize = 5;

/// Redeems the token: the address is verified.
///
/// # Errors
/// Returns [`Problem::TokenInvalid`].
pub async fn verify_email(accounts: &Arc<AccountService>, token: &str, origin: Origin) -> Result<(), Problem> {
    accounts.rate_limiter.charge_request(&origin).await?;
    let holder = accounts.token_holder(token, Purpose::EmailVerification)?;
    let this = Arc::clone(accounts);
    let verify = move |user: &UserRecord, token: TokenRecord, attempt: Attempt| {
        let payload = UserEmailVerified { user_id: user.id.into(), email: user.email.clone() };
        let mut change = Change {
            set: doc! { "emailVerified": true },
            tokens: TokenChange::Drop(Purpose::EmailVerification),
            used_tokens: used_links(user, token.used(attempt.now), &[Purpose::EmailVerification], attempt.now),
            events: vec![this.outbox.event(attempt.now, &origin, payload)],
            ..Change::default()
        };
        claim_username(&this, user, &mut change, attempt, &origin)?;
        Ok(Decision::Write(change, ()))
    };
    accounts.update(holder, verify).await.map(|_| ())
}

/// Sends another verification mail if this address has an account and is not verified. Runs after the response, which
/// reveals nothing. An invited account gets none: its address is verified when the invitation is accepted.
///
/// # Errors
/// Returns an error if the store is unavailable. The request is lost, and the user requests the mail again.
pub(in crate::usecase) async fn request_verification(
    accounts: &AccountService,
    email_key: &str,
    origin: &Origin,
) -> Result<(), Problem> {
    let load = ByEmail { users: accounts.store.users.clone(), key: email_key.to_owned() };
    let request = |user: &UserRecord, (), Attempt { now, .. }: Attempt| {
        if user.email_verified || user.open_invitation().is_some() || user.status != UserStatus::Active {
            return Ok(Decision::Unchanged(()));
        }
        let link = accounts.lifetimes.new_link(Purpose::EmailVerification, &user.email, now);
        let event = accounts.outbox.event_with_link(now, origin, &link, |verification| {
            UserEmailVerificationRequested { user_id: user.id.into(), recipient: user.user().recipient(), verification }
        });
        let tokens = TokenChange::Add { token: TokenRecord::new(&link, email_key), keep: VALID_AT_ONCE };
        Ok(Decision::Write(Change { tokens, events: vec![event], ..Change::default() }, ()))
    };
    match accounts.writer.update(load, request).await {
        Ok(_) | Err(Problem::NotFound) => Ok(()),
        Err(problem) => Err(problem),
    }
}
