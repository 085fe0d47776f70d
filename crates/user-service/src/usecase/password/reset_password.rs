//! Resets a forgotten password. The link is mailed after the response, and its token sets a new password. The use of
//! the link proves control of the mailbox, so the address counts as verified; all sessions end. If this is the first
//! proof of the mailbox, the second factor is removed too, because it was turned on without one.

use std::sync::Arc;

use bson::doc;
use events::{PasswordChangeReason, TotpDisabledBy, sealing::Purpose};
use secrecy::SecretString;
use service_kit::mongo::StoreError;

use super::password_validation::NewPasswordError;
use crate::{
    domain::{Invalid, OneTimeToken, UserStatus, expiry::expires_at},
    hashing::PasswordHash,
    outbox::Origin,
    store::{Change, EndSessions, Precondition, TokenChange, TokenRecord, TotpChange},
    usecase::{
        account_service::AccountService,
        failure::Failure,
        mailed_links::link_validity::used_links,
        registration::username_claim::UsernameClaim,
        write_outcome::{MAX_ATTEMPTS, WriteOutcome, write_outcome},
    },
};

/// The maximum number of valid reset tokens per account; the newest ones are valid.
const VALID_AT_ONCE: usize = 5;

/// The reason why the password was not reset.
#[derive(Debug, thiserror::Error)]
pub enum ResetPasswordError {
    /// The token is unknown, used, expired, or for another address; the cases are not distinguished.
    #[error("the token is invalid")]
    TokenInvalid,
    /// The token is valid and stays valid.
    #[error("the new password is not allowed")]
    PasswordRefused(Vec<Invalid>),
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<NewPasswordError> for ResetPasswordError {
    fn from(error: NewPasswordError) -> Self {
        match error {
            NewPasswordError::Refused(reasons) => Self::PasswordRefused(reasons),
            NewPasswordError::Failure(failure) => Self::Failure(failure),
        }
    }
}

impl From<StoreError> for ResetPasswordError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// The reason why a reset link is mailed.
#[derive(Debug, Clone, Copy)]
pub(in crate::usecase) enum ResetOccasion {
    /// A client requested it.
    Requested,
    /// A client tried to register with the account's address.
    RegistrationAttempted,
}

/// Sends a reset mail if this is the current address of an active account. Runs after the response, which reveals
/// nothing.
///
/// # Errors
/// Returns an error if the store is unavailable. The request is lost, and the user requests the mail again.
pub async fn request_reset(accounts: &AccountService, email_key: &str, origin: &Origin) -> Result<(), Failure> {
    accounts.send_reset_mail(email_key, ResetOccasion::Requested, origin).await
}

/// Sets the new password and redeems the token. The password is validated after the token and before it is hashed: a
/// refused password does not use the token, and only the holder of a valid token learns that it was refused.
///
/// # Errors
/// Returns [`ResetPasswordError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn reset_password(
    accounts: &Arc<AccountService>,
    token: &str,
    new: &SecretString,
    origin: Origin,
) -> Result<(), ResetPasswordError> {
    accounts.rate_limiter.charge_request(&origin).await?;
    let token = OneTimeToken::parse(token).ok_or(ResetPasswordError::TokenInvalid)?;
    let holder = accounts.find_token_holder(&token, Purpose::PasswordReset, accounts.clock.now()).await?;
    let (user, _) = holder.ok_or(ResetPasswordError::TokenInvalid)?;
    let new = accounts.passwords.normal_form(new);
    let new = new.map_err(|invalid| ResetPasswordError::PasswordRefused(vec![invalid]))?;
    let new = accounts.passwords.validate(&accounts.hashes, new, &user.context_words()).await?;
    let hash = accounts.hashes.hash(&new).await.map_err(Failure::from)?;
    let this = Arc::clone(accounts);
    accounts.writes.run_to_completion(async move { this.redeem_reset_token(&token, &hash, &origin).await }).await
}

impl AccountService {
    /// Mails a reset link if this is the current address of an active account.
    pub(in crate::usecase) async fn send_reset_mail(
        &self,
        email_key: &str,
        occasion: ResetOccasion,
        origin: &Origin,
    ) -> Result<(), Failure> {
        for _ in 0..MAX_ATTEMPTS {
            let found = self.store.users.by_email_key(email_key).await?;
            let Some(user) = found.filter(|user| user.status == UserStatus::Active) else { return Ok(()) };
            let now = self.clock.now();
            let token = OneTimeToken::generate();
            let expires_at = expires_at(now, self.rules.reset_ttl);
            let (recipient, outbox) = (user.user(), &self.outbox);
            let (event, keep) = match occasion {
                ResetOccasion::Requested => {
                    (outbox.reset_requested(&recipient, &token, expires_at, now, origin), VALID_AT_ONCE)
                }
                // Attempts to register do not displace links that the owner has requested.
                ResetOccasion::RegistrationAttempted => {
                    (outbox.registration_attempted(&recipient, &token, expires_at, now, origin), 2 * VALID_AT_ONCE)
                }
            };
            let token = TokenRecord::new(token.digest(), Purpose::PasswordReset, email_key, expires_at);
            let change = Change { tokens: TokenChange::Add { token, keep }, events: vec![event], ..Change::default() };
            let commit = self.store.users.commit(user.id.into(), Precondition::Version(user.version), change).await?;
            if let WriteOutcome::Done(written) = write_outcome(commit)? {
                self.publish(&written);
                return Ok(());
            }
        }
        Err(Failure::too_many_conflicts())
    }

    async fn redeem_reset_token(
        &self,
        token: &OneTimeToken,
        new: &PasswordHash,
        origin: &Origin,
    ) -> Result<(), ResetPasswordError> {
        let mut claim = UsernameClaim::default();
        for _ in 0..MAX_ATTEMPTS {
            let now = self.clock.now();
            let holder = self.find_token_holder(token, Purpose::PasswordReset, now).await?;
            let (record, token) = holder.ok_or(ResetPasswordError::TokenInvalid)?;
            let user = record.user();
            let verified = (!user.email_verified).then(|| self.outbox.email_verified(&user, now, origin));
            let claimed = claim.build_write(self, &record, now, origin)?;
            let changed = self.outbox.password_changed(&user, PasswordChangeReason::Reset, None, now, origin);
            // This is the first proof of the mailbox, so the second factor was set up without one.
            let totp = if user.email_verified { TotpChange::None } else { TotpChange::Forget };
            let removes_factor = !user.email_verified && record.totp.is_some();
            let by = Some(TotpDisabledBy::Mailbox);
            let totp_disabled = removes_factor.then(|| self.outbox.totp_disabled(&user, by, now, origin));
            let mut set = doc! { "passwordHash": new.expose(), "emailVerified": true };
            set.extend(claimed.set);
            let change = Change {
                set,
                tokens: TokenChange::DropAllBut(Purpose::EmailChangeUndo),
                totp,
                used_tokens: used_links(&record, &token, &[Purpose::EmailVerification, Purpose::PasswordReset], now),
                end_sessions: EndSessions::All,
                // The owner of the mailbox can sign in from this network even while the account is under attack.
                seen_network: Some(self.rate_limiter.known_network(user.id, origin, now)),
                ignore_pending_limit: true,
                events: verified.into_iter().chain([changed]).chain(totp_disabled).chain(claimed.event).collect(),
                ..Change::default()
            };
            let commit = match self.store.users.commit(user.id, Precondition::Version(user.version), change).await {
                Err(error) if claim.advance_if_taken(self, &record, &error, now).await? => continue,
                commit => commit?,
            };
            if let WriteOutcome::Done(written) = write_outcome(commit)? {
                self.publish(&written);
                self.delete_ended_sessions(&written).await;
                return Ok(());
            }
        }
        Err(Failure::too_many_conflicts().into())
    }
}
