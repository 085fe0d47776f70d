//! What a client gets when it is signed in: the two tokens and the account.

use std::time::Duration;

use secrecy::SecretString;
use uuid::Uuid;

use super::{Accounts, Failure};
use crate::{domain::User, store::UserRecord};

/// The answer to login and refresh.
pub struct SignedIn {
    pub access_token: SecretString,
    pub expires_in: Duration,
    pub refresh_token: SecretString,
    pub user: User,
}

impl Accounts {
    /// Tokens for a session of this user: refresh token number `n`.
    pub(super) fn sign_in(
        &self,
        user: &UserRecord,
        session: Uuid,
        epoch: i64,
        salt: &[u8],
        n: u32,
    ) -> Result<SignedIn, Failure> {
        let issued = self.access_tokens.issue(user.id.into(), session, epoch, &user.roles, self.ids.v4())?;
        Ok(SignedIn {
            access_token: issued.token,
            expires_in: issued.expires_in,
            refresh_token: self.refresh_tokens.issue(session, salt, n),
            user: user.user(),
        })
    }
}
