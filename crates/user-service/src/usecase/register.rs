//! Registration: a new account, its event, and the token that verifies its address,
//! in one insert. Unique indexes decide what is taken.

use std::{sync::Arc, time::Duration};

use events::sealing::Purpose;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::{Accounts, Failure, later};
use crate::{
    domain::{
        Attributes, DisplayName, Email, IdempotencyKey, Locale, OneTimeToken, Password, User, UserStatus, Username,
    },
    hashing::{PasswordHash, Verdict},
    outbox::Origin,
    store::{
        EMAIL_KEYS, IDEMPOTENCY_KEY, IdempotencyRecord, SCHEMA_VERSION, SessionRule, TokenRecord, USERNAME_KEY,
        UserRecord, binary,
    },
};
use service_kit::{fail_point, mongo::StoreError};

/// How long an `Idempotency-Key` is honoured.
const IDEMPOTENCY: Duration = Duration::from_secs(24 * 60 * 60);

/// What somebody registers with.
pub struct Registration {
    pub username: Username,
    pub email: Email,
    pub password: Password,
    pub display_name: Option<DisplayName>,
    pub locale: Option<Locale>,
    pub attributes: Option<Attributes>,
    pub idempotency_key: Option<IdempotencyKey>,
}

/// Why there is no new account.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("the e-mail address is taken")]
    EmailTaken,
    #[error("the user name is taken")]
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

/// Makes the account, or finds the one that the same request made before.
///
/// # Errors
/// [`RegisterError`]; nothing was written, except after an unavailable store, where
/// the outcome is unknown and the same `Idempotency-Key` makes a retry safe.
pub async fn register(
    accounts: &Arc<Accounts>,
    registration: Registration,
    origin: Origin,
) -> Result<User, RegisterError> {
    accounts.throttle.registration(&origin).await?;
    accounts.uniqueness_is_decided()?;
    let hash = accounts.hashes.hash(&registration.password).await.map_err(Failure::from)?;
    let this = Arc::clone(accounts);
    accounts.writes.to_the_end(async move { this.insert(registration, &hash, &origin).await }).await
}

impl Accounts {
    async fn insert(
        &self,
        registration: Registration,
        hash: &PasswordHash,
        origin: &Origin,
    ) -> Result<User, RegisterError> {
        let (mut freed, mut again) = (false, false);
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
            // Of several duplicates the error names only one: the same request, sent
            // again, is recognised first.
            if let Some(user) = self.replayed(&registration).await? {
                return Ok(user);
            }
            match index.as_str() {
                EMAIL_KEYS => {
                    freed = !freed && self.store.users.free_address(registration.email.key(), self.clock.now()).await?;
                    if !freed {
                        return Err(RegisterError::EmailTaken);
                    }
                }
                USERNAME_KEY => return Err(RegisterError::UsernameTaken),
                // The holder of the key was deleted in between: the key is free.
                IDEMPOTENCY_KEY if !again => again = true,
                other => return Err(Failure::Internal(anyhow::anyhow!("a duplicate in index {other}")).into()),
            }
        }
    }

    async fn replayed(&self, registration: &Registration) -> Result<Option<User>, RegisterError> {
        let Some(key) = &registration.idempotency_key else { return Ok(None) };
        let Some(holder) = self.store.users.by_idempotency_key(key.as_str()).await? else { return Ok(None) };
        let now = self.clock.now();
        let record = holder.idempotency.as_ref().filter(|record| now < record.until.to_jiff());
        let Some(record) = record else {
            self.store.users.forget_idempotency_keys(now).await?;
            return Ok(None);
        };
        if record.fingerprint.bytes != self.fingerprint(registration) {
            return Err(RegisterError::IdempotencyKeyReused);
        }
        let verdict = self.hashes.verify(&registration.password, Some(&holder.password_hash()?)).await;
        match verdict.map_err(Failure::from)? {
            Verdict::Match { .. } => Ok(Some(holder.user())),
            Verdict::Mismatch => Err(RegisterError::IdempotencyKeyReused),
        }
    }

    fn new_record(&self, registration: &Registration, hash: &PasswordHash, origin: &Origin) -> UserRecord {
        let now = self.clock.now();
        let id: Uuid = self.ids.v7(now);
        let token = OneTimeToken::generate();
        let expires_at = later(now, self.rules.verification_ttl);
        let email = &registration.email;
        let mut record = UserRecord {
            id: id.into(),
            schema_version: SCHEMA_VERSION,
            version: 1,
            username: registration.username.as_str().to_owned(),
            username_key: registration.username.key().to_owned(),
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
            idempotency: registration.idempotency_key.as_ref().map(|key| IdempotencyRecord {
                key: key.as_str().to_owned(),
                fingerprint: binary(&self.fingerprint(registration)),
                until: later(now, IDEMPOTENCY).into(),
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
        record.pending_events = vec![event.pending(1)];
        record
    }

    /// An HMAC of everything but the password, so that a copy of the database tells
    /// nobody what was sent.
    fn fingerprint(&self, registration: &Registration) -> Vec<u8> {
        let key = self.keys.derive("idempotency-fingerprint/v1");
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_slice()).expect("HMAC takes a key of any length");
        let canonical = serde_json::json!({
            "username": registration.username.as_str(),
            "email": registration.email.as_str(),
            "displayName": registration.display_name.as_ref().map(DisplayName::as_str),
            "locale": registration.locale.as_ref().map(Locale::as_str),
            "attributes": registration.attributes.as_ref().map(Attributes::to_json),
        });
        mac.update(canonical.to_string().as_bytes());
        mac.finalize().into_bytes().to_vec()
    }
}
