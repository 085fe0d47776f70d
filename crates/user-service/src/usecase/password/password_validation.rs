//! Validates new passwords. No other file does this.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use service_kit::{fail_point, panics};
use tokio::sync::Semaphore;

use crate::{
    breached_passwords::BreachedPasswords,
    domain::{ContextWords, Invalid, Password, PasswordPolicy},
    hashing::HashPool,
    usecase::failure::Failure,
};

/// The `Retry-After` of a request that waited too long for its validation.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The reason why a new password was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum NewPasswordError {
    /// All violated rules for new passwords.
    #[error("the password is not allowed")]
    Refused(Vec<Invalid>),
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// The rules for new passwords, and the list of breached ones if there is one.
#[derive(Clone)]
pub struct PasswordValidation(Arc<Validator>);

struct Validator {
    policy: PasswordPolicy,
    breached: Option<BreachedPasswords>,
    /// Limits the concurrent validations, each of which takes a core for some milliseconds.
    slots: Arc<Semaphore>,
    max_wait: Duration,
}

impl PasswordValidation {
    /// Creates the validation. At most `slots` passwords are validated concurrently; a request that waits longer than
    /// `max_wait` is refused.
    #[must_use]
    pub fn new(policy: PasswordPolicy, breached: Option<BreachedPasswords>, slots: usize, max_wait: Duration) -> Self {
        Self(Arc::new(Validator { policy, breached, slots: Arc::new(Semaphore::new(slots.max(1))), max_wait }))
    }

    /// Returns the minimum length of a new password in code points.
    #[must_use]
    pub fn min_length(&self) -> usize {
        self.0.policy.min_length()
    }

    /// Returns the normal form of a new password, if its length is allowed. This is cheap, so it comes before the rate
    /// limit.
    ///
    /// # Errors
    /// Returns an error with the code `too-short` or `too-long`.
    pub fn normal_form(&self, chosen: &SecretString) -> Result<Password, Invalid> {
        self.0.policy.normal_form(chosen)
    }

    /// Accepts a new password, or returns all reasons against it. `context` holds texts of the user of bounded length:
    /// username, email address and display name as they were parsed. The work takes milliseconds, so it comes after the
    /// rate limit, on a thread that serves no requests.
    ///
    /// # Errors
    /// Returns [`NewPasswordError::Refused`]; or a [`Failure`] if it cannot be decided now: `hashes` has no room for
    /// the hash that would follow, too many passwords are being validated, or the list of breached passwords cannot be
    /// read.
    pub async fn validate(
        &self,
        hashes: &HashPool,
        password: Password,
        context: &[&str],
    ) -> Result<Password, NewPasswordError> {
        // A password that cannot be hashed afterwards need not be validated.
        let _admission = hashes.admit().map_err(Failure::from)?;
        let slot = tokio::time::timeout(self.0.max_wait, Arc::clone(&self.0.slots).acquire_owned()).await;
        let slot = slot.map_err(|_| Failure::Overloaded { retry_after: RETRY_AFTER })?;
        let context: Vec<String> = context.iter().map(|text| (*text).to_owned()).collect();
        let validator = Arc::clone(&self.0);
        let checked = tokio::task::spawn_blocking(move || {
            let _slot = slot.expect("the semaphore is never closed");
            panics::catch("password_policy", || {
                fail_point!("password.judge");
                validator.check(password, &context)
            })
        });
        // The only error of the task is that its runtime ends.
        let checked = checked.await.map_err(|_| Failure::unavailable("shutting down"))?;
        checked.unwrap_or_else(|_| Err(NewPasswordError::Refused(vec![PasswordPolicy::strength_unknown()])))
    }
}

impl Validator {
    fn check(&self, password: Password, context: &[String]) -> Result<Password, NewPasswordError> {
        let context = ContextWords::from_texts(context.iter().map(String::as_str));
        let mut violations = self.policy.violations(&password, &context);
        if let Some(list) = &self.breached {
            let is_breached = list.contains(&password);
            if is_breached.map_err(|error| {
                Failure::Unavailable(format!("the list of breached passwords cannot be read: {error}"))
            })? {
                violations.push(Invalid::new(
                    "breached",
                    "This password is on a list of passwords that have become known. Choose another one, here and wherever you use it.",
                ));
            }
        }
        if violations.is_empty() { Ok(password) } else { Err(NewPasswordError::Refused(violations)) }
    }
}
