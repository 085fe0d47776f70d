//! Hidden registration: the response does not reveal whether an address has an account (`auth.registration = "hidden"`,
//! docs/adr/0013-hidden-registration.md).
//!
//! The response is the same for a free and a taken address. It is sent before the address is looked up; the rest is
//! decided after it. A free address gets an account that is [unclaimed](UserRecord::unclaimed): it has not claimed a
//! username and permits no login until its address is verified. The owner of a taken address gets a mail with a reset
//! link.

use service_kit::{
    fail_point,
    mongo::{StoreError, retry_while_unavailable},
};

use super::register::{Access, NewAccount};
use crate::{
    outbox::Origin,
    problem::Problem,
    store::{EMAIL_KEYS, IDEMPOTENCY_KEY, UserRecord},
    usecase::{
        account_service::AccountService,
        background_queue::HiddenRegistration,
        password::reset_password::{ResetOccasion, send_reset_mail},
    },
};

/// The maximum number of retries of the insertion while the database is unavailable.
const MAX_RETRIES: u32 = 4;
/// The maximum number of attempts while other accounts with the address come and go.
const MAX_ATTEMPTS: usize = 50;

/// The result of the insertion.
enum InsertOutcome {
    /// The account exists, or nothing is to be done.
    Done,
    /// Another account has the address.
    AddressTaken,
}

impl AccountService {
    /// Queues the registration. The work is the same for a free and a taken address.
    ///
    /// # Errors
    /// Returns [`Problem::UsernameTaken`], or an error if the store is unavailable or the queue is full.
    pub(in crate::usecase) async fn queue_registration(
        &self,
        new: &NewAccount,
        access: &Access,
        origin: Origin,
    ) -> Result<(), Problem> {
        let mut account = self.new_record(new, access, &origin);
        // No valid username has such a key.
        account.username_key = format!("@{}", account.id);
        account.username_keys = Vec::new();
        account.unclaimed = true;
        let now = self.clock.now();
        let holder = self.store.users.holder_of_username(new.username.username().key(), now).await?;
        // A repeated request gets the same response as the first one, even if its account has claimed the username
        // meanwhile.
        if holder.is_some_and(|holder| !is_same_request(&holder, &account)) {
            return Err(Problem::UsernameTaken);
        }
        self.background.enqueue_registration(HiddenRegistration { account: Box::new(account), origin })
    }

    /// Inserts the account, or notifies the owner of its address. Runs after the response.
    ///
    /// # Errors
    /// Returns an error if the store is unavailable for more than a few seconds. The registration is lost.
    pub(in crate::usecase) async fn process_hidden_registration(
        &self,
        registration: &HiddenRegistration,
    ) -> Result<(), Problem> {
        let HiddenRegistration { account, origin } = registration;
        let outcome = retry_while_unavailable(MAX_RETRIES, || self.insert_if_address_is_free(account)).await?;
        match (outcome, account.email_keys.first()) {
            (InsertOutcome::AddressTaken, Some(key)) => {
                send_reset_mail(self, key, ResetOccasion::RegistrationAttempted, origin).await
            }
            _ => Ok(()),
        }
    }

    /// Inserts the account unless its address is taken. It may be repeated.
    async fn insert_if_address_is_free(&self, account: &UserRecord) -> Result<InsertOutcome, StoreError> {
        let users = &self.store.users;
        let Some(key) = account.email_keys.first() else { return Ok(InsertOutcome::Done) };
        let mut account = account.clone();
        for _ in 0..MAX_ATTEMPTS {
            if let Some(holder) = users.holder_of_email(key).await? {
                // An earlier insertion of unknown outcome has succeeded, or the same request was repeated.
                if holder.id == account.id || is_same_request(&holder, &account) {
                    return Ok(InsertOutcome::Done);
                }
                if holder.email_keys.first() == Some(key) {
                    return Ok(InsertOutcome::AddressTaken);
                }
                if !users.release_expired_email(key, self.clock.now()).await? {
                    // The address is reserved for an account that has another address now.
                    return Ok(InsertOutcome::Done);
                }
            }
            match users.insert(&account).await {
                Ok(()) => {
                    fail_point!("register.after_insert");
                    self.metrics.registrations.inc();
                    self.writer.publish(&account);
                    return Ok(InsertOutcome::Done);
                }
                Err(StoreError::DuplicateKey { index }) if index == EMAIL_KEYS => {}
                // The key belongs to an account with another address, so it is another request.
                Err(StoreError::DuplicateKey { index }) if index == IDEMPOTENCY_KEY => account.idempotency = None,
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Timeout)
    }
}

/// Returns whether both records come from the same request: the same `Idempotency-Key` and the same body.
fn is_same_request(one: &UserRecord, other: &UserRecord) -> bool {
    match (&one.idempotency, &other.idempotency) {
        (Some(one), Some(other)) => one.key == other.key && one.fingerprint == other.fingerprint,
        _ => false,
    }
}
