//! Resets a forgotten password. The link is mailed after the response, and its token sets a new password. The use of
//! the link proves control of the mailbox, so the address counts as verified; all sessions end. If this is the first
//! proof of the mailbox, the second factor is removed too, because it was turned on without one. A reset of an invited
//! account accepts the invitation.

use std::sync::Arc;

use bson::doc;
use events::{
    PasswordChangeReason, UserEmailVerified, UserPasswordChanged, UserPasswordResetRequested,
    UserRegistrationAttempted, sealing::Purpose,
};
use secrecy::SecretString;

use crate::{
    domain::UserStatus,
    outbox::Origin,
    problem::{Problem, Validation},
    store::{Change, EndSessions, TokenChange, TokenRecord, TotpChange, UserRecord},
    usecase::{
        account_service::AccountService,
        mailed_links::link_validity::used_links,
        registration::username_claim::claim_username,
        update::{Attempt, ByEmail, Decision, Load},
    },
};

/// The maximum number of valid reset tokens per account; the newest ones are valid.
const VALID_AT_ONCE: usize = 5;

/// The reason why a reset link is mailed.
#[derive(Debug, Clone, Copy)]
pub(in crate::usecase) enum ResetOccasion {
    /// A client requested it.
    Requested,
    /// A client tried to register with the account's address.
    RegistrationAttempted,
}

/// Sets the new password and redeems the token. The password is validated after the token and before it is hashed: a
/// refused password does not use the token, and only the holder of a valid token learns that it was refused.
///
/// # Errors
/// Returns [`Problem::TokenInvalid`], or [`Problem::ValidationFailed`] for a refused password.
pub async fn reset_password(
    accounts: &Arc<AccountService>,
    token: &str,
    new: &SecretString,
    origin: Origin,
) -> Result<(), Problem> {
    accounts.rate_limiter.charge_request(&origin).await?;
    let mut holder = accounts.token_holder(token, Purpose::PasswordReset)?;
    let (user, _) = holder.load(accounts.clock.now()).await?;
    let new = Validation::only("newPassword", accounts.passwords.parse(new))?;
    let new = accounts.passwords.judge("newPassword", new, &user.context_words(), &accounts.hashes).await?;
    let hash = accounts.hashes.hash(&new).await?;
    let this = Arc::clone(accounts);
    let reset = move |record: &UserRecord, token: TokenRecord, attempt: Attempt| {
        let (user, now) = (record.user(), attempt.now);
        let (set, mut events) = if user.invited {
            // The account had no password that could have changed.
            this.acceptance(record, &user.username, now, &origin)
        } else {
            let verified = UserEmailVerified { user_id: user.id, email: user.email.clone() };
            let verified = (!user.email_verified).then(|| this.outbox.event(now, &origin, verified));
            let (reason, recipient) = (PasswordChangeReason::Reset, user.recipient());
            let changed = UserPasswordChanged { user_id: user.id, reason, recipient, undo: None };
            let changed = this.outbox.event(now, &origin, changed);
            (doc! { "emailVerified": true }, verified.into_iter().chain([changed]).collect())
        };
        // This is the first proof of the mailbox, so the second factor was set up without one.
        let totp = if user.email_verified { TotpChange::None } else { TotpChange::Forget };
        if !user.email_verified && record.totp.is_some() {
            events.push(this.totp_disabled_by_mailbox(&user, now, &origin));
        }
        let obsolete = [Purpose::EmailVerification, Purpose::PasswordReset];
        let invitation = record.open_invitation().map(|invitation| invitation.used(now));
        let mut change = Change {
            set,
            replaced_password: Some(hash.clone()),
            totp,
            used_tokens: invitation.into_iter().chain(used_links(record, token.used(now), &obsolete, now)).collect(),
            end_sessions: EndSessions::All,
            ignore_pending_limit: true,
            events,
            ..Change::default()
        };
        this.remember_place(user.id, &mut change, now, &origin);
        claim_username(&this, record, &mut change, attempt, &origin)?;
        Ok(Decision::Write(change, ()))
    };
    accounts.update(holder, reset).await.map(|_| ())
}

/// Mails a reset link if this is the current address of an active account. Runs after the response, which reveals
/// nothing.
///
/// # Errors
/// Returns an error if the store is unavailable. The request is lost, and the user requests the mail again.
pub(in crate::usecase) async fn send_reset_mail(
    accounts: &AccountService,
    email_key: &str,
    occasion: ResetOccasion,
    origin: &Origin,
) -> Result<(), Problem> {
    let load = ByEmail { users: accounts.store.users.clone(), key: email_key.to_owned() };
    let send = |user: &UserRecord, (), Attempt { now, .. }: Attempt| {
        if user.status != UserStatus::Active {
            return Ok(Decision::Unchanged(()));
        }
        let link = accounts.lifetimes.new_link(Purpose::PasswordReset, &user.email, now);
        let (user_id, recipient) = (user.id.into(), user.user().recipient());
        let (event, keep) = match occasion {
            ResetOccasion::Requested => {
                let payload = |reset| UserPasswordResetRequested { user_id, recipient, reset };
                (accounts.outbox.event_with_link(now, origin, &link, payload), VALID_AT_ONCE)
            }
            // Attempts to register do not displace links that the owner has requested.
            ResetOccasion::RegistrationAttempted => {
                let payload = |reset| UserRegistrationAttempted { user_id, recipient, reset };
                (accounts.outbox.event_with_link(now, origin, &link, payload), 2 * VALID_AT_ONCE)
            }
        };
        let tokens = TokenChange::Add { token: TokenRecord::new(&link, email_key), keep };
        Ok(Decision::Write(Change { tokens, events: vec![event], ..Change::default() }, ()))
    };
    match accounts.writer.update(load, send).await {
        Ok(_) | Err(Problem::NotFound) => Ok(()),
        Err(problem) => Err(problem),
    }
}
