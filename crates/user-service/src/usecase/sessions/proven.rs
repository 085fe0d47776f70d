//! The proof of a recent authentication, which a write that is decided again checks again.

use crate::{
    hashing::PasswordHash,
    problem::{AuthenticationFactor, Problem},
    store::UserRecord,
};

/// The proof that a signed-in user has recently given every factor of the account. A write that is decided again
/// requires that it still holds.
pub struct Proven {
    /// The stored hash that the password of this request matched; absent if the session proves the password.
    password: Option<PasswordHash>,
    /// The second factor of which a code was given, named by the time when it was turned on.
    second_factor: Option<bson::DateTime>,
}

impl Proven {
    /// Returns the proof of a session that was required to have given what the request did not, and of this password.
    pub(in crate::usecase) fn of(user: &UserRecord, password: Option<PasswordHash>) -> Self {
        Self { password, second_factor: user.totp.as_ref().map(|totp| totp.enabled_at) }
    }

    /// Checks the proof against the account as it is now.
    ///
    /// # Errors
    /// Returns [`Problem::Unauthorized`] if the password was changed, and [`Problem::ReauthenticationRequired`] if the
    /// account has got another second factor.
    pub(super) fn check(&self, user: &UserRecord) -> Result<(), Problem> {
        if self.password.as_ref().is_some_and(|hash| hash.expose() != user.password_hash) {
            return Err(Problem::Unauthorized);
        }
        match &user.totp {
            Some(totp) if self.second_factor != Some(totp.enabled_at) => Err(reauthentication_required(user)),
            _ => Ok(()),
        }
    }
}

/// Returns the problem that names every factor of the account.
pub(super) fn reauthentication_required(user: &UserRecord) -> Problem {
    use AuthenticationFactor::{Password, SecondFactor};
    Problem::ReauthenticationRequired(if user.totp.is_some() { &[Password, SecondFactor] } else { &[Password] })
}
