//! Registration that does not tell whether an address has an account
//! (`auth.registration = "hidden"`, docs/adr/0013-hidden-registration.md).
//!
//! The answer is the same for a free and a taken address, and comes before the address is
//! looked up: what happens then is decided behind it. A free address gets an account that
//! is [unclaimed](UserRecord::unclaimed): it has claimed no username and cannot be signed
//! in to before its address is verified. The owner of a taken address is told, with a link
//! that sets a new password.

use std::time::Duration;

use service_kit::{fail_point, mongo::StoreError};

use super::register::Registration;
use crate::{
    hashing::PasswordHash,
    outbox::Origin,
    store::{EMAIL_KEYS, IDEMPOTENCY_KEY, UserRecord},
    usecase::{
        account_service::AccountService, background_queue::HiddenRegistration, failure::Failure,
        password::reset_password::ResetOccasion, retry::MAX_ATTEMPTS,
    },
};

/// How often the insertion is tried again while the database is away, and the first pause.
const MAX_RETRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// What became of the insertion.
enum InsertOutcome {
    /// The account is there, or nothing is to be done.
    Done,
    /// An account has the address.
    AddressTaken,
}

impl AccountService {
    /// Queues the registration; false if an account has the username. All of this is the
    /// same work for a free and for a taken address.
    ///
    /// # Errors
    /// The store is away, or the queue is full.
    pub(in crate::usecase) async fn queue_registration(
        &self,
        registration: &Registration,
        hash: &PasswordHash,
        origin: Origin,
    ) -> Result<bool, Failure> {
        let mut account = self.new_record(registration, hash, &origin);
        // No username has such a key.
        account.username_key = format!("@{}", account.id);
        account.username_keys = Vec::new();
        account.unclaimed = true;
        let now = self.clock.now();
        let holder = self.store.users.holder_of_username(registration.username.key(), now).await?;
        // The same request again is answered as the first time, also when its account has
        // got the username since.
        if holder.is_some_and(|holder| !is_same_request(&holder, &account)) {
            return Ok(false);
        }
        self.background.enqueue_registration(HiddenRegistration { account: Box::new(account), origin })?;
        Ok(true)
    }

    /// Inserts the account, or tells the owner of its address. Run behind the answer.
    ///
    /// # Errors
    /// When the store is away for longer than a few seconds: the registration is lost.
    pub(in crate::usecase) async fn process_hidden_registration(
        &self,
        registration: &HiddenRegistration,
    ) -> Result<(), Failure> {
        let HiddenRegistration { account, origin } = registration;
        let mut retries = 0;
        let outcome = loop {
            match self.insert_if_address_is_free(account).await {
                Err(StoreError::Timeout | StoreError::Unavailable(_)) if retries < MAX_RETRIES => {
                    tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(retries)).await;
                    retries += 1;
                }
                outcome => break outcome?,
            }
        };
        match (outcome, account.email_keys.first()) {
            (InsertOutcome::AddressTaken, Some(key)) => {
                self.send_reset_mail(key, ResetOccasion::RegistrationAttempted, origin).await
            }
            _ => Ok(()),
        }
    }

    /// Inserts the account unless its address is taken. May be repeated.
    async fn insert_if_address_is_free(&self, account: &UserRecord) -> Result<InsertOutcome, StoreError> {
        let users = &self.store.users;
        let Some(key) = account.email_keys.first() else { return Ok(InsertOutcome::Done) };
        let mut account = account.clone();
        for _ in 0..MAX_ATTEMPTS {
            if let Some(holder) = users.holder_of_email(key).await? {
                // An insertion of which the outcome was unknown, or the same request again.
                if holder.id == account.id || is_same_request(&holder, &account) {
                    return Ok(InsertOutcome::Done);
                }
                if holder.email_keys.first() == Some(key) {
                    return Ok(InsertOutcome::AddressTaken);
                }
                if !users.free_address(key, self.clock.now()).await? {
                    // Kept for an account that has another address now.
                    return Ok(InsertOutcome::Done);
                }
            }
            match users.insert(&account).await {
                Ok(()) => {
                    fail_point!("register.after_insert");
                    self.metrics.registrations.inc();
                    self.publish(&account);
                    return Ok(InsertOutcome::Done);
                }
                Err(StoreError::DuplicateKey { index }) if index == EMAIL_KEYS => {}
                // Of an account that has another address: this request is not that one.
                Err(StoreError::DuplicateKey { index }) if index == IDEMPOTENCY_KEY => account.idempotency = None,
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Timeout)
    }
}

/// Whether both were made by one request: the same `Idempotency-Key` and the same body.
fn is_same_request(one: &UserRecord, other: &UserRecord) -> bool {
    match (&one.idempotency, &other.idempotency) {
        (Some(one), Some(other)) => one.key == other.key && one.fingerprint == other.fingerprint,
        _ => false,
    }
}
