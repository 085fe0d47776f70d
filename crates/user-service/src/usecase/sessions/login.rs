//! Login with a password. The password is verified first. The write that starts the session requires the verified hash
//! to be current, so a password that was changed meanwhile starts no session. An account with a second factor gets a
//! token for `login_totp` instead.

use std::sync::Arc;

use bson::{Document, doc};
use events::LoginMethod;
use secrecy::SecretString;
use service_kit::mongo::StoreError;

use super::{
    reauthenticate::requester,
    start_session::{NewSession, SignedIn},
};
use crate::{
    domain::{LoginIdentifier, Password, UserStatus},
    hashing::{PasswordHash, Verification},
    outbox::Origin,
    store::{Change, Precondition, TotpChange, UserRecord},
    usecase::{
        account_service::AccountService,
        background_queue::DetectedAttack,
        failure::Failure,
        write_outcome::{WriteOutcome, write_outcome},
    },
};

/// The credentials of a login.
pub struct Login {
    pub identifier: LoginIdentifier,
    pub password: Password,
}

/// The reason why no session was started.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The account does not exist or the password is wrong; the caller cannot distinguish the two.
    #[error("the identifier or the password is wrong")]
    InvalidCredentials,
    #[error("the account is disabled")]
    Disabled,
    #[error("the email address is not verified")]
    EmailNotVerified,
    /// The password is correct. The token proves this in the second step.
    #[error("a second factor is required")]
    MfaRequired(SecretString),
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for LoginError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// The maximum number of verifications per login. The password is verified again only if it was changed while its hash
/// was computed.
const MAX_VERIFICATIONS: usize = 3;

/// Logs in and starts a session.
///
/// # Errors
/// Returns [`LoginError`]. If the store was unavailable, a session may have started whose tokens no client has.
pub async fn login(accounts: &Arc<AccountService>, login: Login, origin: Origin) -> Result<SignedIn, LoginError> {
    let result = login_within_limits(accounts, &login, &origin).await;
    let outcome = match &result {
        Ok(_) => "success",
        Err(LoginError::InvalidCredentials) => "invalid",
        Err(LoginError::Disabled) => "disabled",
        Err(LoginError::EmailNotVerified) => "unverified",
        Err(LoginError::MfaRequired(_)) => "mfa_required",
        Err(LoginError::Failure(Failure::RateLimited { .. })) => "throttled",
        Err(LoginError::Failure(_)) => "failure",
    };
    accounts.metrics.logins.with_label_values(&[outcome]).inc();
    result
}

async fn login_within_limits(
    accounts: &Arc<AccountService>,
    login: &Login,
    origin: &Origin,
) -> Result<SignedIn, LoginError> {
    let admission = accounts.hashes.admit().map_err(Failure::from)?;
    accounts.rate_limiter.charge_request(origin).await?;
    let found = accounts.find_for_login(&login.identifier).await?;
    let user = found.as_ref().map(|user| user.id);
    // Charged before the hash is computed, so that a blocked attempt costs no hash.
    let attempt =
        accounts.rate_limiter.charge_login(&login.identifier, found.as_ref(), origin, accounts.clock.now()).await?;
    // The verification requests a place in the queue of its own.
    drop(admission);
    let result = verify_password_and_start_session(accounts, login, found, origin).await;
    match &result {
        Ok(_) | Err(LoginError::Disabled | LoginError::EmailNotVerified | LoginError::MfaRequired(_)) => {
            accounts.rate_limiter.record_success(&attempt).await;
        }
        Err(LoginError::InvalidCredentials) => {
            if let (Some(user), Some(until)) = (user, attempt.under_attack()) {
                accounts.background.enqueue_attack_notice(DetectedAttack {
                    user: user.into(),
                    until,
                    origin: origin.clone(),
                });
            }
        }
        Err(LoginError::Failure(_)) => accounts.rate_limiter.refund_attempt(&attempt).await,
    }
    result
}

/// Verifies the password and starts the session.
async fn verify_password_and_start_session(
    accounts: &Arc<AccountService>,
    login: &Login,
    mut found: Option<UserRecord>,
    origin: &Origin,
) -> Result<SignedIn, LoginError> {
    for _ in 0..MAX_VERIFICATIONS {
        let hash = found.as_ref().map(UserRecord::password_hash).transpose()?;
        // A hash of the same cost is computed for an unknown user.
        let verification = accounts
            .hashes
            .verify(&login.password, hash.as_ref(), requester(found.as_ref(), origin))
            .await
            .map_err(Failure::from)?;
        let (Some(user), Some(hash)) = (found, hash) else { return Err(LoginError::InvalidCredentials) };
        let Verification::Match { needs_rehash } = verification else {
            accounts.background.record_failed_login(user.id.into(), origin);
            return Err(LoginError::InvalidCredentials);
        };
        if user.status == UserStatus::Disabled {
            return Err(LoginError::Disabled);
        }
        if accounts.rules.require_verified_email && !user.email_verified {
            return Err(LoginError::EmailNotVerified);
        }
        let rehashed = match needs_rehash {
            true => Some(accounts.hashes.hash(&login.password).await.map_err(Failure::from)?),
            false => None,
        };
        let this = Arc::clone(accounts);
        let origin = origin.clone();
        let started = accounts.writes.run_to_completion(async move {
            this.start_session_or_ask_second_factor(&user, &hash, rehashed, &origin).await
        });
        if let Some(signed_in) = started.await? {
            return Ok(signed_in);
        }
        found = accounts.find_for_login(&login.identifier).await?;
    }
    Err(LoginError::InvalidCredentials)
}

impl AccountService {
    /// Returns the account with this identifier. An unverified account from a time of hidden registration counts as
    /// unknown: its password must not reveal that it exists.
    async fn find_for_login(&self, identifier: &LoginIdentifier) -> Result<Option<UserRecord>, StoreError> {
        let found = match identifier {
            LoginIdentifier::Email(key) => self.store.users.find_for_login_by_email_key(key).await,
            LoginIdentifier::Username(key) => self.store.users.find_for_login_by_username_key(key).await,
        };
        Ok(found?.filter(|user| !user.unclaimed))
    }

    /// Starts the session of a correct password, or returns the error that asks for the second factor. `None` means
    /// that the verified credentials are no longer current.
    async fn start_session_or_ask_second_factor(
        &self,
        user: &UserRecord,
        verified: &PasswordHash,
        rehashed: Option<PasswordHash>,
        origin: &Origin,
    ) -> Result<Option<SignedIn>, LoginError> {
        if let Some(totp) = &user.totp {
            return match rehashed {
                None => Err(LoginError::MfaRequired(self.mfa_token(user, totp))),
                Some(rehashed) => self.rehash_and_ask_second_factor(user, verified, &rehashed).await,
            };
        }
        let new_session = NewSession {
            user,
            precondition: Precondition::CredentialsWithoutSecondFactor { hash: verified, epoch: user.sessions.epoch },
            methods: vec![LoginMethod::Password],
            set: rehashed.as_ref().map(hash_field).unwrap_or_default(),
            totp: TotpChange::None,
            required_events: Vec::new(),
        };
        Ok(self.start_session(new_session, origin).await?)
    }

    /// Replaces an outdated hash in a write of its own, because the second step of the login does not have the
    /// password. The token is bound to the new hash.
    async fn rehash_and_ask_second_factor(
        &self,
        user: &UserRecord,
        verified: &PasswordHash,
        rehashed: &PasswordHash,
    ) -> Result<Option<SignedIn>, LoginError> {
        let precondition = Precondition::Credentials { hash: verified, epoch: user.sessions.epoch };
        // A new hash of the same password does not count as an update of the account.
        let change = Change { set: hash_field(rehashed), events_optional: true, ..Change::default() };
        let WriteOutcome::Done(written) =
            write_outcome(self.store.users.commit(user.id.into(), precondition, change).await?)?
        else {
            return Ok(None);
        };
        match &written.totp {
            Some(totp) => Err(LoginError::MfaRequired(self.mfa_token(&written, totp))),
            // The second factor was turned off meanwhile.
            None => Ok(None),
        }
    }
}

fn hash_field(rehashed: &PasswordHash) -> Document {
    doc! { "passwordHash": rehashed.expose() }
}
