//! Changes the email address: the request requires the password, and the change takes effect when the new address
//! confirms it. Only then does the unique index decide whether the address is taken. The response to the request is
//! always the same, so it does not reveal whether an address has an account. A new spelling of the current address
//! takes effect immediately, because it is the same mailbox.

use std::sync::Arc;

use bson::{Document, doc};
use events::sealing::Purpose;
use jiff::Timestamp;
use service_kit::mongo::StoreError;

use crate::{
    domain::{Email, EmailHistory, MAX_RESERVED_EMAILS, OneTimeToken, Password, expiry::expires_at},
    hashing::PasswordHash,
    outbox::Origin,
    store::{Change, EMAIL_KEYS, Precondition, ReservedKey, TokenChange, TokenRecord, UserRecord},
    usecase::{
        account_service::AccountService,
        failure::Failure,
        mailed_links::link_validity::used_links,
        rate_limit::account_writes::AccountWrite,
        sessions::{authenticate::Caller, reauthenticate::ReauthenticateError},
        write_outcome::{MAX_ATTEMPTS, WriteOutcome, write_outcome},
    },
};

/// The new address and the password.
pub struct ChangeEmail {
    pub new: Email,
    pub password: Password,
}

/// The reason why no change was started.
#[derive(Debug, thiserror::Error)]
pub enum ChangeEmailError {
    #[error("the account already has this address in the same spelling")]
    Unchanged,
    #[error("the password is wrong")]
    WrongPassword,
    #[error("the account has the maximum number of reserved addresses")]
    TooManyChanges,
    #[error("the account no longer exists, or its sessions have ended")]
    Gone,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<ReauthenticateError> for ChangeEmailError {
    fn from(error: ReauthenticateError) -> Self {
        match error {
            ReauthenticateError::WrongPassword => Self::WrongPassword,
            ReauthenticateError::Failure(failure) => Self::Failure(failure),
        }
    }
}

impl From<StoreError> for ChangeEmailError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// The reason why the address was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmEmailError {
    /// The token is unknown, used, expired, or replaced by a later request; the cases are not distinguished.
    #[error("the token is invalid")]
    TokenInvalid,
    /// The token is valid and stays valid.
    #[error("the email address is taken")]
    EmailTaken,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for ConfirmEmailError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// Sends a confirmation link to the new address and a notice to the current one. A request replaces the previous one.
/// If the new address has the key of the current one, it is written immediately and nothing is sent.
///
/// # Errors
/// Returns [`ChangeEmailError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn change_email(
    accounts: &Arc<AccountService>,
    caller: Caller,
    change: ChangeEmail,
    origin: Origin,
) -> Result<(), ChangeEmailError> {
    if caller.user.email == change.new.as_str() {
        return Err(ChangeEmailError::Unchanged);
    }
    let id = caller.user.id.into();
    let charges = match caller.user.email_history().current == change.new.key() {
        true => accounts.rate_limiter.charge_account_writes(&[AccountWrite::Profile], id).await?,
        false => accounts.rate_limiter.charge_email_change(id, &change.new, &origin).await?,
    };
    let proof = accounts.reauthenticate(&caller, &change.password, &origin);
    let verified = accounts.rate_limiter.refund_unless_verified(charges, proof).await?;
    let this = Arc::clone(accounts);
    accounts
        .writes
        .run_to_completion(async move { this.start_email_change(caller, &verified, &change.new, &origin).await })
        .await
}

/// Redeems the token: the account gets the new address. The old address stays reserved for the account and gets an undo
/// link.
///
/// # Errors
/// Returns [`ConfirmEmailError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn confirm_email_change(
    accounts: &Arc<AccountService>,
    token: &str,
    origin: Origin,
) -> Result<(), ConfirmEmailError> {
    accounts.rate_limiter.charge_request(&origin).await?;
    let token = OneTimeToken::parse(token).ok_or(ConfirmEmailError::TokenInvalid)?;
    accounts.require_unique_indexes()?;
    let this = Arc::clone(accounts);
    accounts.writes.run_to_completion(async move { this.redeem_email_change_token(&token, &origin).await }).await
}

impl AccountService {
    /// Starts the change. Requires the version that was read, so that the notice goes to the address of that version.
    async fn start_email_change(
        &self,
        caller: Caller,
        verified: &PasswordHash,
        new: &Email,
        origin: &Origin,
    ) -> Result<(), ChangeEmailError> {
        let mut user = caller.user;
        for _ in 0..MAX_ATTEMPTS {
            let (id, now) = (user.id.into(), self.clock.now());
            let addresses = user.email_history();
            let change = if addresses.current == new.key() {
                self.spelling_change(&user, new, now, origin)?
            } else if addresses.reserved_count(now) >= MAX_RESERVED_EMAILS {
                return Err(ChangeEmailError::TooManyChanges);
            } else {
                self.email_change_request(&user, new, now, origin)
            };
            let commit = self.store.users.commit(id, Precondition::Version(user.version), change).await?;
            if let WriteOutcome::Done(written) = write_outcome(commit)? {
                self.publish(&written);
                return Ok(());
            }
            let current = self.store.users.by_id(id).await?;
            user = current
                .filter(|user| {
                    user.is_session_valid(caller.session, caller.epoch)
                        && user.password_hash().is_ok_and(|hash| hash.expose() == verified.expose())
                })
                .ok_or(ChangeEmailError::Gone)?;
        }
        Err(Failure::too_many_conflicts().into())
    }

    /// Returns the write that requests a change to an address with another key.
    fn email_change_request(&self, user: &UserRecord, new: &Email, now: Timestamp, origin: &Origin) -> Change {
        let token = OneTimeToken::generate();
        let expires_at = expires_at(now, self.rules.verification_ttl);
        let event = self.outbox.email_change_requested(&user.user(), new.as_str(), &token, expires_at, now, origin);
        let token = TokenRecord::new(token.digest(), Purpose::EmailChange, new.key(), expires_at);
        Change {
            tokens: TokenChange::Add { token: token.with_address(new.as_str()), keep: 1 },
            events: vec![event],
            ..Change::default()
        }
    }

    /// Returns the write that changes the spelling of the current address. Its key does not change, so its
    /// verification, its reservations and its links stay valid.
    fn spelling_change(
        &self,
        user: &UserRecord,
        new: &Email,
        now: Timestamp,
        origin: &Origin,
    ) -> Result<Change, ChangeEmailError> {
        if user.email == new.as_str() {
            return Err(ChangeEmailError::Unchanged);
        }
        let event = self.outbox.profile_updated(user.id.into(), vec!["email".to_owned()], now, origin);
        Ok(Change { set: doc! { "email": new.as_str() }, events: vec![event], ..Change::default() })
    }

    async fn redeem_email_change_token(&self, token: &OneTimeToken, origin: &Origin) -> Result<(), ConfirmEmailError> {
        let mut freed = false;
        for _ in 0..MAX_ATTEMPTS {
            let now = self.clock.now();
            let holder = self.find_token_holder(token, Purpose::EmailChange, now).await?;
            let (record, spent) = holder.ok_or(ConfirmEmailError::TokenInvalid)?;
            let new = spent.address.as_deref().ok_or(ConfirmEmailError::TokenInvalid)?;
            let (user, old, factor_since) = (record.user(), record.email_history(), record.factor_since());
            let until = expires_at(now, self.rules.undo_ttl);
            let undo = OneTimeToken::generate();
            let event = self.outbox.email_changed(&user, new, &undo, until, now, origin);
            let undo = TokenRecord::new(undo.digest(), Purpose::EmailChangeUndo, &old.current, until);
            let addresses = old.change_to(&spent.to, until, now);
            let used_tokens = used_links(&record, &spent, &[], now);
            let mut tokens = kept_undo_tokens(record.tokens, &addresses);
            // Never earlier than an existing second factor, even if the clocks of two replicas differ.
            let changed_at = factor_since.map_or(now, |since| now.max(since));
            tokens.push(undo.with_address(&user.email).with_issued_at(changed_at));
            let change = Change {
                set: address_fields(new, &addresses),
                tokens: TokenChange::Replace(tokens),
                used_tokens,
                events: vec![event],
                ..Change::default()
            };
            let commit = match self.store.users.commit(user.id, Precondition::Version(user.version), change).await {
                Ok(commit) => commit,
                Err(StoreError::DuplicateKey { index }) if index == EMAIL_KEYS => {
                    freed = !freed && self.store.users.release_expired_email(&spent.to, now).await?;
                    if freed {
                        continue;
                    }
                    return Err(ConfirmEmailError::EmailTaken);
                }
                Err(error) => return Err(error.into()),
            };
            if let WriteOutcome::Done(written) = write_outcome(commit)? {
                self.publish(&written);
                return Ok(());
            }
        }
        Err(Failure::too_many_conflicts().into())
    }
}

/// Returns those undo tokens whose addresses are still reserved: no other token outlives a change of the address.
pub(in crate::usecase) fn kept_undo_tokens(tokens: Vec<TokenRecord>, addresses: &EmailHistory) -> Vec<TokenRecord> {
    let kept = |token: &TokenRecord| {
        token.purpose == Purpose::EmailChangeUndo && addresses.has_reservation(&token.reservation())
    };
    tokens.into_iter().filter(kept).collect()
}

/// Returns the fields of an account whose owner has just proved control of the address `email`.
pub(in crate::usecase) fn address_fields(email: &str, addresses: &EmailHistory) -> Document {
    let reserved: Vec<Document> = addresses.reserved.iter().map(ReservedKey::document).collect();
    doc! {
        "email": email,
        "emailKeys": addresses.keys(),
        "emailVerified": true,
        "reserved": if reserved.is_empty() { bson::Bson::Null } else { reserved.into() },
    }
}
