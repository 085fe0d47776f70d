//! The password of somebody who is signed in, asked for once more before what cannot
//! be taken back. The one door for it.

use super::{Accounts, Caller, Failure};
use crate::{
    domain::Password,
    hashing::{PasswordHash, Verdict},
    outbox::Origin,
};

/// Why it is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Reauthentication {
    #[error("the password is wrong")]
    WrongPassword,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl Accounts {
    /// The stored hash that the password was verified against: what a write decides on.
    pub(super) async fn reauthenticate(
        &self,
        caller: &Caller,
        password: &Password,
        origin: &Origin,
    ) -> Result<PasswordHash, Reauthentication> {
        let stored = caller.user.password_hash().map_err(Failure::from)?;
        let charged = self.throttle.password(caller.user.id.into(), caller.session).await?;
        let verdict = match self.hashes.verify(password, Some(&stored)).await {
            Ok(verdict) => verdict,
            Err(error) => {
                self.throttle.was_not_judged(&charged).await;
                return Err(Failure::from(error).into());
            }
        };
        match verdict {
            Verdict::Match { .. } => {
                self.throttle.was_right(&charged).await;
                Ok(stored)
            }
            Verdict::Mismatch => {
                self.background.note_wrong_password(caller.user.id.into(), origin);
                Err(Reauthentication::WrongPassword)
            }
        }
    }
}
