//! Changes the email address: the request requires a recent authentication, and the change takes effect when the new address
//! confirms it. Only then does the unique index decide whether the address is taken. The response to the request is
//! always the same, so it does not reveal whether an address has an account. A new spelling of the current address
//! takes effect immediately, because it is the same mailbox.

use std::sync::Arc;

use bson::{Document, doc};
use events::{UserEmailChangeRequested, UserEmailChanged, UserProfileUpdated, sealing::Purpose};
use jiff::Timestamp;
use secrecy::SecretString;

use crate::{
    domain::{Email, EmailHistory, Invalid, MAX_RESERVED_EMAILS, Password},
    outbox::Origin,
    problem::{Problem, Validation},
    store::{Change, ClaimedKey, ReservedKey, TokenChange, TokenRecord, UserRecord},
    usecase::{
        account_service::AccountService,
        mailed_links::link_validity::used_links,
        rate_limit::account_writes::AccountWrite,
        sessions::authenticate::Caller,
        update::{Attempt, Decision},
    },
};

/// The new address, and the password unless the session proves it.
pub struct ChangeEmail {
    pub new_email: String,
    pub password: Option<SecretString>,
}

/// How a change of the email address goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailChange {
    /// The link to the new address completes it.
    LinkSent,
    /// Another spelling of the same address is saved.
    Saved,
}

/// Sends a confirmation link to the new address and a notice to the current one. A request replaces the previous one.
/// If the new address has the key of the current one, it is written immediately and nothing is sent.
///
/// # Errors
/// Returns [`Problem::ValidationFailed`] for a bad address and for the present one, [`Problem::WrongPassword`],
/// [`Problem::ReauthenticationRequired`], a conflict if the account has too many earlier addresses, or
/// [`Problem::Unauthorized`].
pub async fn change_email(
    accounts: &Arc<AccountService>,
    caller: Caller,
    change: ChangeEmail,
    origin: Origin,
) -> Result<EmailChange, Problem> {
    let mut validation = Validation::default();
    let new = validation.check("newEmail", Email::parse(&change.new_email));
    let password = validation.check_optional("password", change.password.as_ref().map(Password::parse_attempt));
    let Some(new) = new else { return Err(validation.problem()) };
    validation.finish()?;
    refuse_unchanged(&caller.user, &new)?;
    let id = caller.user.id.into();
    let charges = match caller.user.email_history().current == new.key() {
        true => accounts.rate_limiter.charge_account_writes(&[AccountWrite::Profile], id).await?,
        false => accounts.rate_limiter.charge_email_change(id, &new, &origin).await?,
    };
    let proof = accounts.require_recent_authentication(&caller, password.as_ref(), &origin);
    let proven = accounts.rate_limiter.refund_unless_verified(charges, proof).await?;
    let this = Arc::clone(accounts);
    // The write requires the version that was read, so that the notice goes to the address of that version.
    let start = move |user: &UserRecord, (), Attempt { now, .. }: Attempt| {
        let addresses = user.email_history();
        let (change, result) = if addresses.current == new.key() {
            refuse_unchanged(user, &new)?;
            (this.spelling_change(user, &new, now, &origin), EmailChange::Saved)
        } else if addresses.reserved_count(now) >= MAX_RESERVED_EMAILS {
            return Err(Problem::Conflict(
                "The email address was changed too often: no more earlier addresses can be kept. Try again in a few days.",
            ));
        } else {
            (this.email_change_request(user, &new, now, &origin), EmailChange::LinkSent)
        };
        Ok(Decision::Write(change, result))
    };
    accounts.update(accounts.signed_in(caller, Some(proven)), start).await.map(|updated| updated.result)
}

fn refuse_unchanged(user: &UserRecord, new: &Email) -> Result<(), Problem> {
    if user.email != new.as_str() {
        return Ok(());
    }
    Validation::only("newEmail", Err(Invalid::new("unchanged", "This is already the email address of the account.")))
}

/// Redeems the token: the account gets the new address. The old address stays reserved for the account and gets an undo
/// link.
///
/// # Errors
/// Returns [`Problem::TokenInvalid`] or [`Problem::EmailTaken`].
pub async fn confirm_email_change(accounts: &Arc<AccountService>, token: &str, origin: Origin) -> Result<(), Problem> {
    accounts.rate_limiter.charge_request(&origin).await?;
    let holder = accounts.token_holder(token, Purpose::EmailChange)?;
    accounts.require_unique_indexes()?;
    let this = Arc::clone(accounts);
    let confirm = move |record: &UserRecord, spent: TokenRecord, Attempt { now, .. }: Attempt| {
        let new = spent.address.clone().ok_or(Problem::TokenInvalid)?;
        let (user, old) = (record.user(), record.email_history());
        let link = this.lifetimes.new_link(Purpose::EmailChangeUndo, &user.email, now);
        let event = this.outbox.event_with_link(now, &origin, &link, |undo| UserEmailChanged {
            user_id: user.id,
            old_email: user.email.clone(),
            new_email: new.clone(),
            recipient: user.recipient(),
            undo,
        });
        let undo = TokenRecord::new(&link, &old.current);
        let addresses = old.change_to(&spent.to, link.expires_at, now);
        let mut tokens = kept_undo_tokens(&record.tokens, &addresses);
        // Never earlier than an existing second factor, even if the clocks of two replicas differ.
        let changed_at = record.factor_since().map_or(now, |since| now.max(since));
        tokens.push(undo.with_address(&user.email).with_issued_at(changed_at));
        let change = Change {
            set: address_fields(&new, &addresses),
            claims: Some(ClaimedKey::Email(spent.to.clone())),
            tokens: TokenChange::Replace(tokens),
            used_tokens: used_links(record, spent.used(now), &[], now),
            events: vec![event],
            ..Change::default()
        };
        Ok(Decision::Write(change, ()))
    };
    accounts.update(holder, confirm).await.map(|_| ())
}

impl AccountService {
    /// Returns the write that requests a change to an address with another key.
    fn email_change_request(&self, record: &UserRecord, new: &Email, now: Timestamp, origin: &Origin) -> Change {
        let user = record.user();
        let link = self.lifetimes.new_link(Purpose::EmailChange, new.as_str(), now);
        let event = self.outbox.event_with_link(now, origin, &link, |confirmation| UserEmailChangeRequested {
            user_id: user.id,
            new_email: new.as_str().to_owned(),
            recipient: user.recipient(),
            confirmation,
            username: Some(user.username.clone()),
        });
        let token = TokenRecord::new(&link, new.key()).with_address(new.as_str());
        Change { tokens: TokenChange::Add { token, keep: 1 }, events: vec![event], ..Change::default() }
    }

    /// Returns the write that changes the spelling of the current address. Its key does not change, so its
    /// verification, its reservations and its links stay valid.
    fn spelling_change(&self, user: &UserRecord, new: &Email, now: Timestamp, origin: &Origin) -> Change {
        let payload = UserProfileUpdated { user_id: user.id.into(), changed: vec!["email".to_owned()] };
        let events = vec![self.outbox.event(now, origin, payload)];
        Change { set: doc! { "email": new.as_str() }, events, ..Change::default() }
    }
}

/// Returns those undo tokens whose addresses are still reserved: no other token outlives a change of the address.
pub(in crate::usecase) fn kept_undo_tokens(tokens: &[TokenRecord], addresses: &EmailHistory) -> Vec<TokenRecord> {
    let kept = |token: &&TokenRecord| {
        token.purpose == Purpose::EmailChangeUndo && addresses.has_reservation(&token.reservation())
    };
    tokens.iter().filter(kept).cloned().collect()
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
