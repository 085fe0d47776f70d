//! Registers an account: inserts the account, its event and its verification token in one write. Unique indexes decide
//! which addresses and usernames are taken.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use events::sealing::Purpose;
use service_kit::{fail_point, mongo::StoreError};
use uuid::Uuid;

use crate::{
    domain::{
        Attributes, DisplayName, Email, IdempotencyKey, Invalid, Locale, LoginIdentifier, OneTimeToken, Password,
        SchemaViolation, User, UserStatus, Username, Writer, expiry::expires_at,
    },
    hashing::{PasswordHash, Verification},
    keys::hmac_sha256,
    outbox::Origin,
    store::{
        EMAIL_KEYS, IDEMPOTENCY_KEY, IdempotencyRecord, SCHEMA_VERSION, SessionRule, TokenRecord, USERNAME_KEY,
        USERNAME_KEYS, UserRecord, binary,
    },
    usecase::{
        account_service::AccountService, background_queue::DetectedAttack, failure::Failure,
        password::password_validation::NewPasswordError, sessions::reauthenticate::requester,
    },
};

/// The validity of an `Idempotency-Key`.
const IDEMPOTENCY_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// A registration with correct syntax, so all values have bounded lengths. The rules for passwords and attributes are
/// not checked yet.
pub struct Registration {
    pub username: Username,
    pub email: Email,
    pub password: Password,
    pub display_name: Option<DisplayName>,
    pub locale: Option<Locale>,
    pub attributes: Option<Attributes>,
    pub idempotency_key: Option<IdempotencyKey>,
}

/// The reason why no account was created.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("the password or the attributes are not allowed")]
    Refused { password: Vec<Invalid>, attributes: Vec<SchemaViolation> },
    #[error("the email address is taken")]
    EmailTaken,
    #[error("the username is taken")]
    UsernameTaken,
    #[error("the idempotency key was used with another body")]
    IdempotencyKeyReused,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for RegisterError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// The result of a registration.
pub enum Registered {
    /// The new account, or the account of the same earlier request.
    Account(Box<User>),
    /// Hidden registration: only the mailbox learns whether there is a new account.
    VerificationPending,
}

/// Creates the account, or finds the account that the same request created before. With hidden registration this is
/// decided after the response.
///
/// # Errors
/// Returns [`RegisterError`]. Nothing was written, unless the store was unavailable: then the outcome is unknown, and a
/// retry with the same `Idempotency-Key` is safe.
pub async fn register(
    accounts: &Arc<AccountService>,
    registration: Registration,
    origin: Origin,
) -> Result<Registered, RegisterError> {
    accounts.require_unique_indexes()?;
    let started = accounts.clock.now();
    // If the hash queue is full, the request is refused before it uses MongoDB.
    let admission = accounts.hashes.admit().map_err(Failure::from)?;
    let charges = accounts.rate_limiter.charge_registration(&registration.email, &origin).await?;
    // The validation requests a place in the queue of its own.
    drop(admission);
    let registered = validate_and_insert(accounts, registration, origin).await;
    match &registered {
        // The account existed before this request.
        Ok(Registered::Account(user)) if user.created_at.as_millisecond() < started.as_millisecond() => {
            accounts.rate_limiter.refund_mail(&charges).await;
        }
        Err(RegisterError::UsernameTaken | RegisterError::IdempotencyKeyReused) => {
            accounts.rate_limiter.refund_mail(&charges).await;
        }
        // Nothing was registered: the user must choose another password or try again later.
        Err(
            RegisterError::Refused { .. }
            | RegisterError::Failure(Failure::Overloaded { .. } | Failure::RateLimited { .. }),
        ) => accounts.rate_limiter.refund(&charges).await,
        // After any other failure the account may exist.
        Ok(_) | Err(RegisterError::EmailTaken | RegisterError::Failure(_)) => {}
    }
    registered
}

/// Does the expensive work, after the rate limits: checks the rules for passwords and attributes, then computes the
/// hash.
async fn validate_and_insert(
    accounts: &Arc<AccountService>,
    mut registration: Registration,
    origin: Origin,
) -> Result<Registered, RegisterError> {
    let display_name = registration.display_name.as_ref().map(DisplayName::as_str);
    let context_words = [Some(registration.username.as_str()), Some(registration.email.as_str()), display_name];
    let context_words: Vec<&str> = context_words.into_iter().flatten().collect();
    let password =
        match accounts.passwords.validate(&accounts.hashes, registration.password.clone(), &context_words).await {
            Ok(password) => Ok(password),
            Err(NewPasswordError::Refused(reasons)) => Err(reasons),
            Err(NewPasswordError::Failure(failure)) => return Err(failure.into()),
        };
    let attributes = accounts.attributes.validate_new_attributes(registration.attributes.take(), Writer::User);
    match (password, attributes) {
        (Ok(password), Ok(attributes)) => (registration.password, registration.attributes) = (password, attributes),
        (password, attributes) => {
            let (password, attributes) = (password.err().unwrap_or_default(), attributes.err().unwrap_or_default());
            return Err(RegisterError::Refused { password, attributes });
        }
    }
    let hash = accounts.hashes.hash(&registration.password).await.map_err(Failure::from)?;
    if accounts.rules.hidden_registration {
        return match accounts.queue_registration(&registration, &hash, origin).await? {
            true => Ok(Registered::VerificationPending),
            false => Err(RegisterError::UsernameTaken),
        };
    }
    let this = Arc::clone(accounts);
    let user =
        accounts.writes.run_to_completion(async move { this.insert(registration, &hash, &origin).await }).await?;
    Ok(Registered::Account(Box::new(user)))
}

impl AccountService {
    async fn insert(
        &self,
        registration: Registration,
        hash: &PasswordHash,
        origin: &Origin,
    ) -> Result<User, RegisterError> {
        let (mut email_freed, mut username_freed, mut retried_key) = (false, false, false);
        loop {
            let record = self.new_record(&registration, hash, origin);
            let index = match self.store.users.insert(&record).await {
                Ok(()) => {
                    fail_point!("register.after_insert");
                    self.metrics.registrations.inc();
                    self.publish(&record);
                    return Ok(record.user());
                }
                Err(StoreError::DuplicateKey { index }) => index,
                Err(error) => return Err(error.into()),
            };
            // The error names only one of several duplicates, so a repeated request is recognised first.
            if let Some(user) = self.find_replayed(&registration, origin).await? {
                return Ok(user);
            }
            match index.as_str() {
                EMAIL_KEYS => {
                    email_freed = !email_freed
                        && self.store.users.release_expired_email(registration.email.key(), self.clock.now()).await?;
                    if !email_freed {
                        return Err(RegisterError::EmailTaken);
                    }
                }
                USERNAME_KEY | USERNAME_KEYS => {
                    let key = registration.username.key();
                    username_freed =
                        !username_freed && self.store.users.release_expired_username(key, self.clock.now()).await?;
                    if !username_freed {
                        return Err(RegisterError::UsernameTaken);
                    }
                }
                // The account with the key was deleted in between, so the key is free.
                IDEMPOTENCY_KEY if !retried_key => retried_key = true,
                other => {
                    return Err(Failure::Internal(anyhow::anyhow!("unexpected duplicate in the index {other}")).into());
                }
            }
        }
    }

    /// Returns the account that the same request created before. A replay verifies a password, so it has the rate
    /// limits of a login: otherwise it would be a way to guess passwords.
    async fn find_replayed(&self, registration: &Registration, origin: &Origin) -> Result<Option<User>, RegisterError> {
        let Some(key) = &registration.idempotency_key else { return Ok(None) };
        let Some(holder) = self.find_by_idempotency_key(key, registration).await? else { return Ok(None) };
        let now = self.clock.now();
        let record = holder.idempotency.as_ref().filter(|record| now < record.until.to_jiff());
        let Some(record) = record else {
            self.store.users.delete_expired_idempotency_keys(now).await?;
            return Ok(None);
        };
        if record.fingerprint.bytes != self.fingerprint(registration) {
            return Err(RegisterError::IdempotencyKeyReused);
        }
        let identifier = LoginIdentifier::Email(registration.email.key().to_owned());
        let attempt = self.rate_limiter.charge_login(&identifier, Some(&holder), origin, now).await?;
        let hash = holder.password_hash()?;
        let requester = requester(Some(&holder), origin);
        match self.hashes.verify(&registration.password, Some(&hash), requester).await {
            Ok(Verification::Match { .. }) => {
                self.rate_limiter.record_success(&attempt).await;
                Ok(Some(holder.user()))
            }
            Ok(Verification::Mismatch) => {
                let user = holder.id.into();
                self.background.record_failed_login(user, origin);
                if let Some(until) = attempt.under_attack() {
                    self.background.enqueue_attack_notice(DetectedAttack { user, until, origin: origin.clone() });
                }
                Err(RegisterError::IdempotencyKeyReused)
            }
            Err(error) => {
                self.rate_limiter.refund_attempt(&attempt).await;
                Err(Failure::from(error).into())
            }
        }
    }

    /// Returns the account that was registered with this key. The previous release stored keys as they were sent, for
    /// all clients together: such a key counts only for the same address or the same request. These keys are gone 24 h
    /// after the last replica of that release has stopped.
    async fn find_by_idempotency_key(
        &self,
        key: &IdempotencyKey,
        registration: &Registration,
    ) -> Result<Option<UserRecord>, StoreError> {
        let users = &self.store.users;
        if let Some(holder) = users.by_idempotency_key(&self.idempotency_key_digest(key, &registration.email)).await? {
            return Ok(Some(holder));
        }
        let found = users.by_idempotency_key(key.as_str()).await?;
        let fingerprint = self.fingerprint(registration);
        Ok(found.filter(|user| {
            user.email_keys.first().is_some_and(|current| current == registration.email.key())
                || user.idempotency.as_ref().is_some_and(|record| record.fingerprint.bytes == fingerprint)
        }))
    }

    /// Returns the stored form of a key. It is bound to the address, because clients do not know each other's keys, and
    /// it is a keyed hash, because the key may contain anything.
    fn idempotency_key_digest(&self, key: &IdempotencyKey, email: &Email) -> String {
        // No key contains a line feed, so the boundary to the address is unambiguous.
        let parts = [key.as_str(), "\n", email.key()].map(str::as_bytes);
        BASE64_URL_SAFE_NO_PAD.encode(hmac_sha256(&self.keys.derive("idempotency-key/v1"), &parts))
    }

    pub(in crate::usecase) fn new_record(
        &self,
        registration: &Registration,
        hash: &PasswordHash,
        origin: &Origin,
    ) -> UserRecord {
        let now = self.clock.now();
        let id: Uuid = self.ids.v7(now);
        let token = OneTimeToken::generate();
        let key_until = expires_at(now, IDEMPOTENCY_TTL);
        let expires_at = expires_at(now, self.rules.verification_ttl);
        let email = &registration.email;
        let mut record = UserRecord {
            id: id.into(),
            schema_version: SCHEMA_VERSION,
            version: 1,
            username: registration.username.as_str().to_owned(),
            username_key: registration.username.key().to_owned(),
            username_keys: vec![registration.username.key().to_owned()],
            reserved_usernames: Vec::new(),
            unclaimed: false,
            email: email.as_str().to_owned(),
            email_keys: vec![email.key().to_owned()],
            reserved: Vec::new(),
            email_verified: false,
            display_name: registration.display_name.as_ref().map(|name| name.as_str().to_owned()),
            locale: registration.locale.as_ref().map(|locale| locale.as_str().to_owned()),
            timezone: None,
            attributes: registration.attributes.as_ref().map(Attributes::to_json),
            roles: Vec::new(),
            status: UserStatus::Active,
            password_hash: hash.expose().to_owned(),
            sessions: SessionRule { epoch: 1, keep: None },
            tokens: vec![TokenRecord::new(token.digest(), Purpose::EmailVerification, email.key(), expires_at)],
            used_tokens: Vec::new(),
            idempotency: registration.idempotency_key.as_ref().map(|key| IdempotencyRecord {
                key: self.idempotency_key_digest(key, email),
                fingerprint: binary(&self.fingerprint(registration)),
                until: key_until.into(),
            }),
            totp: None,
            totp_setup: None,
            second_factor_since: None,
            second_factor_off_at: None,
            undo_tokens: Vec::new(),
            imported: None,
            created_at: now.into(),
            updated_at: now.into(),
            last_login_at: None,
            known_networks: Vec::new(),
            locked_until: None,
            pending_events: Vec::new(),
            parked: None,
        };
        let event = self.outbox.registered(&record.user(), &token, expires_at, now, origin);
        record.pending_events = vec![event.to_pending_event(1)];
        record
    }

    /// Returns an HMAC of all members except the password, so that a copy of the database does not reveal the request.
    fn fingerprint(&self, registration: &Registration) -> [u8; 32] {
        let canonical = serde_json::json!({
            "username": registration.username.as_str(),
            "email": registration.email.as_str(),
            "displayName": registration.display_name.as_ref().map(DisplayName::as_str),
            "locale": registration.locale.as_ref().map(Locale::as_str),
            "attributes": registration.attributes.as_ref().map(Attributes::to_json),
        });
        hmac_sha256(&self.keys.derive("idempotency-fingerprint/v1"), &[canonical.to_string().as_bytes()])
    }
}
