//! Registers an account: inserts the account, its event and the token of its mail in one write. Unique indexes decide
//! which addresses and usernames are taken. An administrator creates and invites users in the same way.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use events::{UserRegistered, sealing::Purpose};
use jiff::Timestamp;
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
        account_service::AccountService, background_queue::DetectedAttack, invitation::Invitations,
        rate_limit::charged_counters::AdminMail, sessions::reauthenticate::requester, update::ExpiredReservations,
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

/// A new account with correct syntax, so all values have bounded lengths. The rules for attributes are not checked yet.
pub(in crate::usecase) struct NewAccount {
    /// The writer of the account: the user, or an administrator.
    pub by: Writer,
    pub username: NewUsername,
    pub email: Email,
    pub display_name: Option<DisplayName>,
    pub locale: Option<Locale>,
    pub attributes: Option<Attributes>,
    pub idempotency_key: Option<IdempotencyKey>,
}

/// The username of a new account.
pub(in crate::usecase) enum NewUsername {
    Chosen(Username),
    /// A username that the service made up. The invited person will choose another one.
    Placeholder(Username),
}

impl NewUsername {
    pub(in crate::usecase) fn username(&self) -> &Username {
        match self {
            Self::Chosen(username) | Self::Placeholder(username) => username,
        }
    }

    fn chosen(&self) -> Option<&str> {
        match self {
            Self::Chosen(username) => Some(username.as_str()),
            Self::Placeholder(_) => None,
        }
    }
}

/// How the user of a new account gets in.
pub(in crate::usecase) enum Access {
    Password {
        password: Password,
        hash: PasswordHash,
    },
    /// The link of an invitation. Until it is used, no password matches.
    Invitation {
        /// The display name of the administrator who invites.
        inviter: Option<String>,
    },
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
    register_by(accounts, registration, Writer::User, origin).await
}

/// Does the same for an account that `by` writes. The rules for administrators differ: they may write all attributes,
/// their network has no quota, and they learn whether the address has an account.
pub(in crate::usecase) async fn register_by(
    accounts: &Arc<AccountService>,
    registration: Registration,
    by: Writer,
    origin: Origin,
) -> Result<Registered, Problem> {
    let (account, password) = accounts.parse_registration(registration, by)?;
    accounts.require_unique_indexes()?;
    let started = accounts.clock.now();
    // If the hash queue is full, the request is refused before it uses MongoDB.
    let admission = accounts.hashes.admit()?;
    let charges = match by {
        Writer::User => accounts.rate_limiter.charge_registration(&account.email, &origin).await?,
        Writer::Admin => accounts.rate_limiter.charge_mail_by_admin(AdminMail::Welcome, &account.email).await?,
    };
    // The validation requests a place in the queue of its own.
    drop(admission);
    let registered = validate_and_insert(accounts, account, password, origin).await;
    match &registered {
        // The account existed before this request.
        Ok(Registered::Account(user)) if existed_before(user, started) => {
            accounts.rate_limiter.refund_mail(&charges).await;
        }
        Err(Problem::UsernameTaken | Problem::IdempotencyKeyReused) => {
            accounts.rate_limiter.refund_mail(&charges).await;
        }
        Err(Problem::EmailTaken) if by == Writer::Admin => accounts.rate_limiter.refund_mail(&charges).await,
        // Nothing was registered: the user must choose another password or try again later.
        Err(Problem::ValidationFailed(_) | Problem::Overloaded(_) | Problem::RateLimited(_)) => {
            accounts.rate_limiter.refund(&charges).await;
        }
        // After any other failure the account may exist.
        _ => {}
    }
    registered
}

/// Returns whether the account is that of an earlier request. Times are stored in milliseconds.
pub(in crate::usecase) fn existed_before(user: &User, started: Timestamp) -> bool {
    user.created_at.as_millisecond() < started.as_millisecond()
}

/// Does the expensive work, after the rate limits: checks the rules for passwords and attributes, then computes the
/// hash.
async fn validate_and_insert(
    accounts: &Arc<AccountService>,
    mut account: NewAccount,
    password: Password,
    origin: Origin,
) -> Result<Registered, Problem> {
    let display_name = account.display_name.as_ref().map(DisplayName::as_str);
    let username = account.username.username().as_str();
    let context_words = [Some(username), Some(account.email.as_str()), display_name];
    let context_words: Vec<&str> = context_words.into_iter().flatten().collect();
    let mut validation = Validation::default();
    let judged = accounts.passwords.judge("password", password.clone(), &context_words, &accounts.hashes).await;
    validation.merge(judged)?;
    let attributes = accounts.attributes.validate_new_attributes(account.attributes.take(), account.by);
    account.attributes = validation.check_schema("attributes", attributes).flatten();
    validation.finish()?;
    let hash = accounts.hashes.hash(&password).await?;
    let access = Access::Password { password, hash };
    if account.by == Writer::User && accounts.rules.hidden_registration {
        accounts.queue_registration(&account, &access, origin).await?;
        return Ok(Registered::VerificationPending);
    }
    Ok(Registered::Account(Box::new(accounts.insert_account(account, access, origin).await?)))
}

impl AccountService {
    fn parse_registration(&self, sent: Registration, by: Writer) -> Result<(NewAccount, Password), Problem> {
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
        let username = NewUsername::Chosen(username);
        Ok((NewAccount { by, username, email, display_name, locale, attributes, idempotency_key }, password))
    }

    /// Inserts the account, or finds the account that the same request created before, to completion even if the
    /// client disconnects.
    ///
    /// # Errors
    /// Returns [`Problem::EmailTaken`], [`Problem::UsernameTaken`] or [`Problem::IdempotencyKeyReused`].
    pub(in crate::usecase) async fn insert_account(
        self: &Arc<Self>,
        account: NewAccount,
        access: Access,
        origin: Origin,
    ) -> Result<User, Problem> {
        let this = Arc::clone(self);
        self.writes.run_to_completion(async move { this.insert(account, access, &origin).await }).await
    }

    async fn insert(&self, account: NewAccount, access: Access, origin: &Origin) -> Result<User, Problem> {
        let (mut expired, mut retried_key) = (ExpiredReservations::default(), false);
        let claims = [
            ClaimedKey::Email(account.email.key().to_owned()),
            ClaimedKey::Username(account.username.username().key().to_owned()),
        ];
        'attempt: loop {
            let record = self.new_record(&account, &access, origin);
            let error = match self.store.users.insert(&record).await {
                Ok(()) => {
                    fail_point!("register.after_insert");
                    self.metrics.registrations.inc_by(u64::from(matches!(access, Access::Password { .. })));
                    self.writer.publish(&record);
                    return Ok(record.user());
                }
                Err(error @ StoreError::DuplicateKey { .. }) => error,
                Err(error) => return Err(error.into()),
            };
            // The error names only one of several duplicates, so a repeated request is recognised first.
            if let Some(user) = self.find_replayed(&account, &access, origin).await? {
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

    /// Returns the account that the same request created before. A replay of a registration verifies a password, so it
    /// has the rate limits of a login: otherwise it would be a way to guess passwords.
    async fn find_replayed(
        &self,
        account: &NewAccount,
        access: &Access,
        origin: &Origin,
    ) -> Result<Option<User>, Problem> {
        let Some(key) = &account.idempotency_key else { return Ok(None) };
        let Some(holder) = self.find_by_idempotency_key(key, account, access).await? else { return Ok(None) };
        let now = self.clock.now();
        let record = holder.idempotency.as_ref().filter(|record| now < record.until.to_jiff());
        let Some(record) = record else {
            self.store.users.delete_expired_idempotency_keys(now).await?;
            return Ok(None);
        };
        if record.fingerprint.bytes != self.fingerprint(account, access) {
            return Err(Problem::IdempotencyKeyReused);
        }
        let Access::Password { password, .. } = access else { return Ok(Some(holder.user())) };
        let identifier = LoginIdentifier::Email(account.email.key().to_owned());
        let attempt = self.rate_limiter.charge_login(&identifier, Some(&holder), origin, now).await?;
        let hash = holder.password_hash()?;
        let requester = requester(Some(&holder), origin);
        match self.hashes.verify(password, Some(&hash), requester).await {
            Ok(Verification::Match { .. }) => {
                attempt.succeed();
                Ok(Some(holder.user()))
            }
            Ok(Verification::Mismatch) => {
                let user = holder.id.into();
                self.background.record(user, AuditOnlyKind::LoginFailed, origin);
                if let Some(until) = attempt.fail() {
                    self.background.enqueue_attack_notice(DetectedAttack { user, until, origin: origin.clone() });
                }
                Err(Problem::IdempotencyKeyReused)
            }
            Err(error) => {
                attempt.refund_unjudged();
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
        access: &Access,
    ) -> Result<Option<UserRecord>, StoreError> {
        let users = &self.store.users;
        let holder = users.by_idempotency_key(&self.idempotency_key_digest(key, account)).await?;
        if holder.is_some() || account.by == Writer::Admin {
            return Ok(holder);
        }
        let found = users.by_idempotency_key(key.as_str()).await?;
        let fingerprint = self.fingerprint(account, access);
        Ok(found.filter(|user| {
            user.email_keys.first().is_some_and(|current| current == account.email.key())
                || user.idempotency.as_ref().is_some_and(|record| record.fingerprint.bytes == fingerprint)
        }))
    }

    /// Returns the stored form of a key. It is bound to the address, because clients do not know each other's keys, and
    /// it is a keyed hash, because the key may contain anything. A key of an administrator is none of a user.
    fn idempotency_key_digest(&self, key: &IdempotencyKey, account: &NewAccount) -> String {
        let purpose = match account.by {
            Writer::User => "idempotency-key/v1",
            Writer::Admin => "idempotency-key/admin/v1",
        };
        // No key contains a line feed, so the boundary to the address is unambiguous.
        let parts = [key.as_str(), "\n", account.email.key()].map(str::as_bytes);
        BASE64_URL_SAFE_NO_PAD.encode(hmac_sha256(&self.keys.derive(purpose), &parts))
    }

    pub(in crate::usecase) fn new_record(&self, account: &NewAccount, access: &Access, origin: &Origin) -> UserRecord {
        let now = self.clock.now();
        let (email, id) = (&account.email, self.ids.v7(now));
        let unmatchable;
        let hash = match access {
            Access::Password { hash, .. } => hash,
            Access::Invitation { .. } => {
                unmatchable = self.hashes.unmatchable_hash();
                &unmatchable
            }
        };
        let mut record = UserRecord {
            display_name: account.display_name.as_ref().map(|name| name.as_str().to_owned()),
            locale: account.locale.as_ref().map(|locale| locale.as_str().to_owned()),
            attributes: account.attributes.as_ref().map(Attributes::to_json),
            idempotency: account.idempotency_key.as_ref().map(|key| IdempotencyRecord {
                key: self.idempotency_key_digest(key, account),
                fingerprint: binary(&self.fingerprint(account, access)),
                until: expires_at(now, lifetimes::IDEMPOTENCY_KEY).into(),
            }),
            ..UserRecord::new(id, account.username.username(), email, hash, now)
        };
        let event = match access {
            Access::Password { .. } => {
                let link = self.lifetimes.new_link(Purpose::EmailVerification, email.as_str(), now);
                record.tokens = vec![TokenRecord::new(&link, email.key())];
                let (username, recipient) = (record.username.clone(), record.user().recipient());
                let payload = |verification| UserRegistered { user_id: id, username, recipient, verification };
                self.outbox.event_with_link(now, origin, &link, payload)
            }
            Access::Invitation { inviter } => {
                let placeholder = account.username.chosen().is_none().then(|| record.username.clone());
                let (event, invitation) = self.invitations().invite(&record, placeholder, inviter.clone(), now, origin);
                record.invitation = Some(invitation);
                event
            }
        };
        record.pending_events = vec![event.to_pending_event(1)];
        record
    }

    /// Returns what creates the links of invitations.
    pub(in crate::usecase) fn invitations(&self) -> Invitations {
        Invitations { outbox: self.outbox.clone(), lifetimes: self.lifetimes }
    }

    /// Returns an HMAC of all members except the password, so that a copy of the database does not reveal the request.
    /// That an account is invited is one of them: `access` has no other member.
    fn fingerprint(&self, account: &NewAccount, access: &Access) -> [u8; 32] {
        let mut canonical = serde_json::json!({
            "username": account.username.chosen(),
            "email": account.email.as_str(),
            "displayName": account.display_name.as_ref().map(DisplayName::as_str),
            "locale": account.locale.as_ref().map(Locale::as_str),
            "attributes": account.attributes.as_ref().map(Attributes::to_json),
        });
        if let Access::Invitation { .. } = access {
            canonical["invite"] = true.into();
        }
        hmac_sha256(&self.keys.derive("idempotency-fingerprint/v1"), &[canonical.to_string().as_bytes()])
    }
}
