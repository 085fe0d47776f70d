//! Verifies an email address with the token from the mail, and sends another token.

use std::sync::Arc;

use bson::doc;
use events::sealing::Purpose;
use service_kit::mongo::StoreError;

use crate::{
    domain::{OneTimeToken, UserStatus, expiry::expires_at},
    outbox::Origin,
    store::{Change, Precondition, TokenChange, TokenRecord},
    usecase::{
        account_service::AccountService,
        failure::Failure,
        mailed_links::link_validity::used_links,
        registration::username_claim::UsernameClaim,
        write_outcome::{MAX_ATTEMPTS, WriteOutcome, write_outcome},
    },
};

/// The maximum number of valid verification tokens per account; the newest ones are valid.
const VALID_AT_ONCE: usize = 5;

/// The reason why the token does not verify the address.
#[derive(Debug, thiserror::Error)]
pub enum VerifyEmailError {
    /// The token is unknown, used, expired, or for another address; the cases are not distinguished.
    #[error("the token is invalid")]
    TokenInvalid,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for VerifyEmailError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// Redeems the token: the address is verified.
///
/// # Errors
/// Returns [`VerifyEmailError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn verify_email(accounts: &Arc<AccountService>, token: &str, origin: Origin) -> Result<(), VerifyEmailError> {
    accounts.rate_limiter.charge_request(&origin).await?;
    let token = OneTimeToken::parse(token).ok_or(VerifyEmailError::TokenInvalid)?;
    let this = Arc::clone(accounts);
    accounts.writes.run_to_completion(async move { this.redeem_verification_token(&token, &origin).await }).await
}

/// Sends another verification mail if this address has an account and is not verified. Runs after the response, which
/// reveals nothing.
///
/// # Errors
/// Returns an error if the store is unavailable. The request is lost, and the user requests the mail again.
pub async fn request_verification(accounts: &AccountService, email_key: &str, origin: &Origin) -> Result<(), Failure> {
    for _ in 0..MAX_ATTEMPTS {
        let found = accounts.store.users.by_email_key(email_key).await?;
        let Some(user) = found.filter(|user| !user.email_verified && user.status == UserStatus::Active) else {
            return Ok(());
        };
        let now = accounts.clock.now();
        let token = OneTimeToken::generate();
        let expires_at = expires_at(now, accounts.rules.verification_ttl);
        let event = accounts.outbox.verification_requested(&user.user(), &token, expires_at, now, origin);
        let token = TokenRecord::new(token.digest(), Purpose::EmailVerification, email_key, expires_at);
        let change = Change {
            tokens: TokenChange::Add { token, keep: VALID_AT_ONCE },
            events: vec![event],
            ..Change::default()
        };
        let commit = accounts.store.users.commit(user.id.into(), Precondition::Version(user.version), change).await?;
        if let WriteOutcome::Done(written) = write_outcome(commit)? {
            accounts.publish(&written);
            return Ok(());
        }
    }
    Err(Failure::too_many_conflicts())
}

impl AccountService {
    async fn redeem_verification_token(&self, token: &OneTimeToken, origin: &Origin) -> Result<(), VerifyEmailError> {
        let mut claim = UsernameClaim::default();
        for _ in 0..MAX_ATTEMPTS {
            let now = self.clock.now();
            let holder = self.find_token_holder(token, Purpose::EmailVerification, now).await?;
            let (user, token) = holder.ok_or(VerifyEmailError::TokenInvalid)?;
            let event = self.outbox.email_verified(&user.user(), now, origin);
            let claimed = claim.build_write(self, &user, now, origin)?;
            let mut set = doc! { "emailVerified": true };
            set.extend(claimed.set);
            let change = Change {
                set,
                tokens: TokenChange::Drop(Purpose::EmailVerification),
                used_tokens: used_links(&user, &token, &[Purpose::EmailVerification], now),
                events: std::iter::once(event).chain(claimed.event).collect(),
                ..Change::default()
            };
            let commit =
                match self.store.users.commit(user.id.into(), Precondition::Version(user.version), change).await {
                    Err(error) if claim.advance_if_taken(self, &user, &error, now).await? => continue,
                    commit => commit?,
                };
            if let WriteOutcome::Done(written) = write_outcome(commit)? {
                self.publish(&written);
                return Ok(());
            }
        }
        Err(Failure::too_many_conflicts().into())
    }
}
