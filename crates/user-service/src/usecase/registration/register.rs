//! Registers an account: inserts the account, its event and its verification token in one write. Unique indexes decide
//! which addresses and usernames are taken.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use events::{UserRegistered, sealing::Purpose};
use secrecy::SecretString;
use serde_json::Value;
use service_kit::{fail_point, mongo::StoreError};

use crate::{
    domain::{
        Attributes, DisplayName, Email, IdempotencyKey, Invalid, Locale, LoginIdentifier, Password, User, Username,
        Writer, expires_at, lifetimes,
    },
    hashing::{PasswordHash, Verification},
    keys::hmac_sha256,
    outbox::Origin,
    problem::{Problem, Validation},
    store::{AuditOnlyKind, ClaimedKey, IDEMPOTENCY_KEY, IdempotencyRecord, TokenRecord, UserRecord, binary},
    usecase::{
        account_service::AccountService, background_queue::DetectedAttack, sessions::reauthenticate::requester,
        update::ExpiredReservations,
    },
};

/// A registration as a client sends it.
pub struct Registration {
    pub username: String,
    pub email: String,
    pub password: SecretString,
    pub display_name: Option<String>,
    pub locale: Option<String>,
    pub attributes: Option<Value>,
    pub idempotency_key: Option<Result<IdempotencyKey, Invalid>>,
}

/// A registration with correct syntax, so all values have bounded lengths. The rules for passwords and attributes are
/// not checked yet.
pub(in crate::usecase) struct NewAccount {
    pub username: Username,
    pub email: Email,
    pub password: Password,
    pub display_name: Option<DisplayName>,
    pub locale: Option<Locale>,
    pub attributes: Option<Attributes>,
    pub idempotency_key: Option<IdempotencyKey>,
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
/// Returns [`Problem`]. Nothing was written, unless the store was unavailable: then the outcome is unknown, and a
/// retry with the same `Idempotency-Key` is safe.
pub async fn register(
    accounts: &Arc<AccountService>,
    registration: Registration,
    origin: Origin,
) -> Result<Registered, Problem> {
    let account = accounts.parse_registration(registration)?;
    accounts.require_unique_indexes()?;
    let started = accounts.clock.now();
    // If the hash queue is full, the request is refused before it uses MongoDB.
    let admission = accounts.hashes.admit()?;
    let charges = accounts.rate_limiter.charge_registration(&account.email, &origin).await?;
    // The validation requests a place in the queue of its own.
    drop(admission);
    let registered = validate_and_insert(accounts, account, origin).await;
    match &registered {
        // The account existed before this request.
        Ok(Registered::Account(user)) if user.created_at.as_millisecond() < started.as_millisecond() => {
            accounts.rate_limiter.refund_mail(&charges).await;
        }
        Err(Problem::UsernameTaken | Problem::IdempotencyKeyReused) => {
            accounts.rate_limiter.refund_mail(&charges).await;
        }
        // Nothing was registered: the user must choose another password or try again later.
        Err(Problem::ValidationFailed(_) | Problem::Overloaded(_) | Problem::RateLimited(_)) => {
            accounts.rate_limiter.refund(&charges).await;
        }
        // After any other failure the account may exist.
        _ => {}
    }
    registered
}

/// Does the expensive work, after the rate limits: checks the rules for passwords and attributes, then computes the
/// hash.
async fn validate_and_insert(
    accounts: &Arc<AccountService>,
    mut account: NewAccount,
    origin: Origin,
) -> Result<Registered, Problem> {
    let display_name = account.display_name.as_ref().map(DisplayName::as_str);
    let context_words = [Some(account.username.as_str()), Some(account.email.as_str()), display_name];
    let context_words: Vec<&str> = context_words.into_iter().flatten().collect();
    let mut validation = Validation::default();
    let password = account.password.clone();
    let judged = accounts.passwords.judge("password", password, &context_words, &accounts.hashes).await;
    validation.merge(judged)?;
    let attributes = accounts.attributes.validate_new_attributes(account.attributes.take(), Writer::User);
    account.attributes = validation.check_schema("attributes", attributes).flatten();
    validation.finish()?;
    let hash = accounts.hashes.hash(&account.password).await?;
    if accounts.rules.hidden_registration {
        accounts.queue_registration(&account, &hash, origin).await?;
        return Ok(Registered::VerificationPending);
    }
    let this = Arc::clone(accounts);
    let user = accounts.writes.run_to_completion(async move { this.insert(account, &hash, &origin).await }).await?;
    Ok(Registered::Account(Box::new(user)))
}

impl AccountService {
    fn parse_registration(&self, sent: Registration) -> Result<NewAccount, Problem> {
        let mut validation = Validation::default();
        let username = validation.check("username", Username::parse(&sent.username));
        let email = validation.check("email", Email::parse(&sent.email));
        let password = validation.check("password", self.passwords.parse(&sent.password));
        let display_name =
            validation.check_optional("displayName", sent.display_name.as_deref().map(DisplayName::parse));
        let locale = validation.check_optional("locale", sent.locale.as_deref().map(Locale::parse));
        let attributes = validation.check_optional("attributes", sent.attributes.map(Attributes::parse));
        let idempotency_key = validation.check_header("Idempotency-Key", sent.idempotency_key);
        validation.finish()?;
        let (Some(username), Some(email), Some(password)) = (username, email, password) else {
            return Err(validation.problem());
        };
        Ok(NewAccount { username, email, password, display_name, locale, attributes, idempotency_key })
    }

    async fn insert(&self, account: NewAccount, hash: &PasswordHash, origin: &Origin) -> Result<User, Problem> {
        let (mut expired, mut retried_key) = (ExpiredReservations::default(), false);
        let claims = [
            ClaimedKey::Email(account.email.key().to_owned()),
            ClaimedKey::Username(account.username.key().to_owned()),
        ];
        'attempt: loop {
            let record = self.new_record(&account, hash, origin);
            let error = match self.store.users.insert(&record).await {
                Ok(()) => {
                    fail_point!("register.after_insert");
                    self.metrics.registrations.inc();
                    self.writer.publish(&record);
                    return Ok(record.user());
                }
                Err(error @ StoreError::DuplicateKey { .. }) => error,
                Err(error) => return Err(error.into()),
            };
            // The error names only one of several duplicates, so a repeated request is recognised first.
            if let Some(user) = self.find_replayed(&account, origin).await? {
                return Ok(user);
            }
            for claim in &claims {
                if expired.release(&self.store.users, &error, Some(claim), self.clock.now()).await? {
                    continue 'attempt;
                }
            }
            match &error {
                // The account with the key was deleted in between, so the key is free.
                StoreError::DuplicateKey { index } if index == IDEMPOTENCY_KEY && !retried_key => retried_key = true,
                _ => return Err(error.into()),
            }
        }
    }

    /// Returns the account that the same request created before. A replay verifies a password, so it has the rate
    /// limits of a login: otherwise it would be a way to guess passwords.
    async fn find_replayed(&self, account: &NewAccount, origin: &Origin) -> Result<Option<User>, Problem> {
        let Some(key) = &account.idempotency_key else { return Ok(None) };
        let Some(holder) = self.find_by_idempotency_key(key, account).await? else { return Ok(None) };
        let now = self.clock.now();
        let record = holder.idempotency.as_ref().filter(|record| now < record.until.to_jiff());
        let Some(record) = record else {
            self.store.users.delete_expired_idempotency_keys(now).await?;
            return Ok(None);
        };
        if record.fingerprint.bytes != self.fingerprint(account) {
            return Err(Problem::IdempotencyKeyReused);
        }
        let identifier = LoginIdentifier::Email(account.email.key().to_owned());
        let attempt = self.rate_limiter.charge_login(&identifier, Some(&holder), origin, now).await?;
        let hash = holder.password_hash()?;
        let requester = requester(Some(&holder), origin);
        match self.hashes.verify(&account.password, Some(&hash), requester).await {
            Ok(Verification::Match { .. }) => {
                self.rate_limiter.record_success(&attempt).await;
                Ok(Some(holder.user()))
            }
            Ok(Verification::Mismatch) => {
                let user = holder.id.into();
                self.background.record(user, AuditOnlyKind::LoginFailed, origin);
                if let Some(until) = attempt.under_attack() {
                    self.background.enqueue_attack_notice(DetectedAttack { user, until, origin: origin.clone() });
                }
                Err(Problem::IdempotencyKeyReused)
            }
            Err(error) => {
                self.rate_limiter.refund_attempt(&attempt).await;
                Err(error.into())
            }
        }
    }

    /// Returns the account that was registered with this key. The previous release stored keys as they were sent, for
    /// all clients together: such a key counts only for the same address or the same request. These keys are gone 24 h
    /// after the last replica of that release has stopped.
    async fn find_by_idempotency_key(
        &self,
        key: &IdempotencyKey,
        account: &NewAccount,
    ) -> Result<Option<UserRecord>, StoreError> {
        let users = &self.store.users;
        if let Some(holder) = users.by_idempotency_key(&self.idempotency_key_digest(key, &account.email)).await? {
            return Ok(Some(holder));
        }
        let found = users.by_idempotency_key(key.as_str()).await?;
        let fingerprint = self.fingerprint(account);
        Ok(found.filter(|user| {
            user.email_keys.first().is_some_and(|current| current == account.email.key())
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
        account: &NewAccount,
        hash: &PasswordHash,
        origin: &Origin,
    ) -> UserRecord {
        let now = self.clock.now();
        let (email, id) = (&account.email, self.ids.v7(now));
        let link = self.lifetimes.new_link(Purpose::EmailVerification, email.as_str(), now);
        let mut record = UserRecord {
            display_name: account.display_name.as_ref().map(|name| name.as_str().to_owned()),
            locale: account.locale.as_ref().map(|locale| locale.as_str().to_owned()),
            attributes: account.attributes.as_ref().map(Attributes::to_json),
            tokens: vec![TokenRecord::new(&link, email.key())],
            idempotency: account.idempotency_key.as_ref().map(|key| IdempotencyRecord {
                key: self.idempotency_key_digest(key, email),
                fingerprint: binary(&self.fingerprint(account)),
                until: expires_at(now, lifetimes::IDEMPOTENCY_KEY).into(),
            }),
            ..UserRecord::new(id, &account.username, email, hash, now)
        };
        let user = record.user();
        let event = self.outbox.event_with_link(now, origin, &link, |verification| UserRegistered {
            user_id: id,
            username: user.username.clone(),
            recipient: user.recipient(),
            verification,
        });
        record.pending_events = vec![event.to_pending_event(1)];
        record
    }

    /// Returns an HMAC of all members except the password, so that a copy of the database does not reveal the request.
    fn fingerprint(&self, account: &NewAccount) -> [u8; 32] {
        let canonical = serde_json::json!({
            "username": account.username.as_str(),
            "email": account.email.as_str(),
            "displayName": account.display_name.as_ref().map(DisplayName::as_str),
            "locale": account.locale.as_ref().map(Locale::as_str),
            "attributes": account.attributes.as_ref().map(Attributes::to_json),
        });
        hmac_sha256(&self.keys.derive("idempotency-fingerprint/v1"), &[canonical.to_string().as_bytes()])
    }
}
