//! What a client gets when it is signed in: the two tokens and the account.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use uuid::Uuid;

use super::{Accounts, Failure, later};
use crate::{domain::User, store::UserRecord};

/// The answer to login and refresh.
pub struct SignedIn {
    pub access_token: SecretString,
    pub expires_in: Duration,
    pub refresh_token: SecretString,
    pub user: User,
}

impl Accounts {
    /// Tokens for a session of this user that began at `began`: refresh token number `n`.
    pub(super) fn sign_in(
        &self,
        user: &UserRecord,
        session: Uuid,
        epoch: i64,
        salt: &[u8],
        n: u32,
        began: Timestamp,
    ) -> Result<SignedIn, Failure> {
        let ends_at = later(began, self.rules.session_times.max);
        let id = user.id.into();
        let issued = self.access_tokens.issue(id, session, epoch, &user.roles, self.ids.v4(), ends_at)?;
        Ok(SignedIn {
            access_token: issued.token,
            expires_in: issued.expires_in,
            refresh_token: self.refresh_tokens.issue(session, salt, n),
            user: user.user(),
        })
    }
}
