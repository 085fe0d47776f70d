//! Validates new passwords. No other file does this.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use service_kit::{fail_point, panics};
use tokio::sync::Semaphore;

use crate::{
    breached_passwords::BreachedPasswords,
    domain::{ContextWords, Invalid, Password, PasswordPolicy},
    hashing::HashPool,
    problem::{FieldError, Problem},
};

/// The `Retry-After` of a request that waited too long for its validation.
const RETRY_AFTER: Duration = Duration::from_secs(1);

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
    pub fn parse(&self, chosen: &SecretString) -> Result<Password, Invalid> {
        self.0.policy.normal_form(chosen)
    }

    /// Returns the new password if the rules accept it. `member` is the name of the body member that it came in.
    /// `context` holds texts of the user of bounded length: username, email address and display name as they were
    /// parsed. The work takes milliseconds, so it comes after the rate limit, on a thread that serves no requests.
    ///
    /// # Errors
    /// Returns [`Problem::ValidationFailed`] with all reasons against the password; another problem if it cannot be
    /// decided now: `hashes` has no room for the hash that would follow, too many passwords are being validated, or the
    /// list of breached passwords cannot be read.
    pub async fn judge(
        &self,
        member: &'static str,
        password: Password,
        context: &[&str],
        hashes: &HashPool,
    ) -> Result<Password, Problem> {
        // A password that cannot be hashed afterwards need not be validated.
        let _admission = hashes.admit()?;
        let slot = tokio::time::timeout(self.0.max_wait, Arc::clone(&self.0.slots).acquire_owned()).await;
        let slot = slot.map_err(|_| Problem::Overloaded(RETRY_AFTER))?;
        let context: Vec<String> = context.iter().map(|text| (*text).to_owned()).collect();
        let validator = Arc::clone(&self.0);
        let judged = tokio::task::spawn_blocking(move || {
            let _slot = slot.expect("the semaphore is never closed");
            let violations = panics::catch("password_policy", || {
                fail_point!("password.judge");
                validator.violations(&password, &context)
            });
            let violations = violations.unwrap_or_else(|_| Ok(vec![PasswordPolicy::strength_unknown()]))?;
            let errors: Vec<_> = violations.iter().map(|invalid| FieldError::body(member, invalid)).collect();
            if errors.is_empty() { Ok(password) } else { Err(Problem::ValidationFailed(errors)) }
        });
        // The only error of the task is that its runtime ends.
        judged.await.map_err(|_| Problem::unavailable("shutting down"))?
    }
}

impl Validator {
    fn violations(&self, password: &Password, context: &[String]) -> Result<Vec<Invalid>, Problem> {
        let context = ContextWords::from_texts(context.iter().map(String::as_str));
        let mut violations = self.policy.violations(password, &context);
        if let Some(list) = &self.breached {
            let is_breached = list.contains(password);
            if is_breached.map_err(|error| {
                Problem::Unavailable(format!("the list of breached passwords cannot be read: {error}"))
            })? {
                violations.push(Invalid::new(
                    "breached",
                    "This password is on a list of passwords that have become known. Choose another one, here and wherever you use it.",
                ));
            }
        }
        Ok(violations)
    }
}
