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
        match self.hashes.verify(password, Some(&stored)).await.map_err(Failure::from)? {
            Verdict::Match { .. } => Ok(stored),
            Verdict::Mismatch => {
                self.background.note_wrong_password(caller.user.id.into(), origin);
                Err(Reauthentication::WrongPassword)
            }
        }
    }
}
