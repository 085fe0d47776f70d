//! Verifying an address: the token from the mail, once; and asking for another one.

use std::sync::Arc;

use crate::{
    domain::{OneTimeToken, UserStatus},
    outbox::Origin,
    store::{Change, DecidedOn, TokenChange, TokenRecord},
    usecase::{
        account_service::{Accounts, later},
        failure::Failure,
        mailed_links::one_time_tokens::used_up,
        registration::username_claim::UsernameClaim,
        retry::{DECISIONS, Next, after},
    },
};
use bson::doc;
use events::sealing::Purpose;
use service_kit::mongo::StoreError;

/// Of one person's verification tokens so many are valid at once, the newest.
const VALID_AT_ONCE: usize = 5;

/// Why the address is not verified by this token.
#[derive(Debug, thiserror::Error)]
pub enum VerifyEmailError {
    /// Unknown, used, expired, or for another address: all alike.
    #[error("the token is not valid")]
    TokenInvalid,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for VerifyEmailError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// Uses the token up; the address counts as verified.
///
/// # Errors
/// [`VerifyEmailError`]; nothing was changed, except after an unavailable store.
pub async fn verify_email(accounts: &Arc<Accounts>, token: &str, origin: Origin) -> Result<(), VerifyEmailError> {
    accounts.throttle.request(&origin).await?;
    let token = OneTimeToken::parse(token).ok_or(VerifyEmailError::TokenInvalid)?;
    let this = Arc::clone(accounts);
    accounts.writes.to_the_end(async move { this.use_verification(&token, &origin).await }).await
}

/// Sends another verification mail, if there is an account with this address that is
/// not verified. Run behind the answer, which says nothing.
///
/// # Errors
/// When the store is away: the request is lost, the person asks again.
pub async fn request_verification(accounts: &Accounts, email_key: &str, origin: &Origin) -> Result<(), Failure> {
    for _ in 0..DECISIONS {
        let found = accounts.store.users.by_email_key(email_key).await?;
        let Some(user) = found.filter(|user| !user.email_verified && user.status == UserStatus::Active) else {
            return Ok(());
        };
        let now = accounts.clock.now();
        let token = OneTimeToken::generate();
        let expires_at = later(now, accounts.rules.verification_ttl);
        let event = accounts.outbox.verification_requested(&user.user(), &token, expires_at, now, origin);
        let token = TokenRecord::new(token.digest(), Purpose::EmailVerification, email_key, expires_at);
        let change = Change {
            tokens: TokenChange::Add { token, keep: VALID_AT_ONCE },
            events: vec![event],
            ..Change::default()
        };
        let commit = accounts.store.users.commit(user.id.into(), DecidedOn::Version(user.version), change).await?;
        if let Next::Done(written) = after(commit)? {
            accounts.publish(&written);
            return Ok(());
        }
    }
    Err(Failure::unavailable("too many writers on one account"))
}

impl Accounts {
    async fn use_verification(&self, token: &OneTimeToken, origin: &Origin) -> Result<(), VerifyEmailError> {
        let mut claim = UsernameClaim::default();
        for _ in 0..DECISIONS {
            let now = self.clock.now();
            let holder = self.holder_of(token, Purpose::EmailVerification, now).await?;
            let (user, token) = holder.ok_or(VerifyEmailError::TokenInvalid)?;
            let event = self.outbox.email_verified(&user.user(), now, origin);
            let claimed = claim.of(self, &user, now, origin)?;
            let mut set = doc! { "emailVerified": true };
            set.extend(claimed.set);
            let change = Change {
                set,
                tokens: TokenChange::Drop(Purpose::EmailVerification),
                used_tokens: used_up(&user, &token, &[Purpose::EmailVerification], now),
                events: std::iter::once(event).chain(claimed.event).collect(),
                ..Change::default()
            };
            let commit = match self.store.users.commit(user.id.into(), DecidedOn::Version(user.version), change).await {
                Err(error) if claim.is_refused(self, &user, &error, now).await? => continue,
                commit => commit?,
            };
            if let Next::Done(written) = after(commit)? {
                self.publish(&written);
                return Ok(());
            }
        }
        Err(Failure::unavailable("too many writers on one account").into())
    }
}
