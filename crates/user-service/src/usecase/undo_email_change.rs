//! Taking a change of the address back, by the link that the old address got. Whoever
//! changed it may know the password and be signed in: so all sessions end, and a reset
//! begins, in the same write.

use std::sync::Arc;

use events::{SessionsEndedReason, sealing::Purpose};
use service_kit::mongo::StoreError;

use super::{
    Accounts, DECISIONS, Failure, Next, after,
    change_email::{address_fields, undo_tokens},
    later,
};
use crate::{
    domain::{OneTimeToken, User},
    outbox::Origin,
    store::{Change, DecidedOn, TokenChange, TokenRecord},
};

/// Why the address is as it was.
#[derive(Debug, thiserror::Error)]
pub enum UndoEmailChangeError {
    /// Unknown, used, expired, or the change was taken back with an earlier one: all alike.
    #[error("the token is not valid")]
    TokenInvalid,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for UndoEmailChangeError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// Uses the token up; the old address is in force again.
///
/// # Errors
/// [`UndoEmailChangeError`]; nothing was changed, except after an unavailable store.
pub async fn undo_email_change(
    accounts: &Arc<Accounts>,
    token: &str,
    origin: Origin,
) -> Result<(), UndoEmailChangeError> {
    accounts.throttle.request(&origin).await?;
    let token = OneTimeToken::parse(token).ok_or(UndoEmailChangeError::TokenInvalid)?;
    let this = Arc::clone(accounts);
    accounts.writes.to_the_end(async move { this.use_undo(&token, &origin).await }).await
}

impl Accounts {
    async fn use_undo(&self, token: &OneTimeToken, origin: &Origin) -> Result<(), UndoEmailChangeError> {
        for _ in 0..DECISIONS {
            let now = self.clock.now();
            let holder = self.holder_of(token, Purpose::EmailChangeUndo, now).await?;
            let (record, spent) = holder.ok_or(UndoEmailChangeError::TokenInvalid)?;
            let old = spent.address.clone().ok_or(UndoEmailChangeError::TokenInvalid)?;
            let restored = record.addresses().restored(&spent.reservation(), now);
            let addresses = restored.ok_or(UndoEmailChangeError::TokenInvalid)?;
            // Every mail from here on goes to the address that is in force again.
            let user = User { email: old, ..record.user() };
            let reset = OneTimeToken::generate();
            let expires_at = later(now, self.rules.reset_ttl);
            let events = vec![
                self.outbox.email_change_undone(&user, now, origin),
                self.outbox.sessions_ended(user.id, SessionsEndedReason::EmailChangeUndone, now, origin),
                self.outbox.reset_requested(&user, &reset, expires_at, now, origin),
            ];
            // Undo links of changes that were made before this one stay: else whoever
            // has the account could void the owner's by a change and its undo.
            let mut tokens = undo_tokens(record.tokens, &addresses);
            tokens.push(TokenRecord::new(reset.digest(), Purpose::PasswordReset, &addresses.current, expires_at));
            let change = Change {
                set: address_fields(&user.email, &addresses),
                tokens: TokenChange::Replace(tokens),
                end_sessions: Some(None),
                beyond_bound: true,
                events,
                ..Change::default()
            };
            let commit = self.store.users.commit(user.id, DecidedOn::Version(user.version), change).await?;
            if let Next::Done(written) = after(commit)? {
                self.publish(&written);
                self.forget_ended_sessions(&written).await;
                return Ok(());
            }
        }
        Err(Failure::unavailable("too many writers on one account").into())
    }
}
