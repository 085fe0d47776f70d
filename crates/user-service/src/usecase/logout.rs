//! Logout: any genuine token of a session ends it; any other string does nothing.

use std::sync::Arc;

use secrecy::SecretString;

use super::{Accounts, Failure};
use crate::{outbox::Origin, tokens::RefreshToken};

/// Ends the session of this token, if there is one.
///
/// # Errors
/// Only when the store is away, or from a network that floods this process.
pub async fn logout(accounts: &Arc<Accounts>, token: &SecretString, origin: Origin) -> Result<(), Failure> {
    let Some(token) = RefreshToken::parse(token) else { return Ok(()) };
    accounts.throttle.session_request(&origin)?;
    let Some(salt) = accounts.store.sessions.salt(token.session).await? else { return Ok(()) };
    if !accounts.refresh_tokens.is_genuine(&token, &salt) {
        return Ok(());
    }
    let this = Arc::clone(accounts);
    accounts
        .writes
        .to_the_end(async move {
            if let Some(ended) = this.store.sessions.end(token.session).await? {
                this.throttle.remember_ended_session(&ended, this.access_tokens.ttl()).await;
                this.background.note_logout(ended.user_id.into(), &origin);
            }
            Ok(())
        })
        .await
}
