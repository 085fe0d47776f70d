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
    start_session::{ProvenLogin, SessionKind, SignedIn, StartedSession},
};
use crate::{
    domain::{LoginIdentifier, Password, UserStatus},
    hashing::{PasswordHash, Verification},
    outbox::Origin,
    problem::{Problem, Validation},
    store::{AuditOnlyKind, Change, Commit, Precondition, UserRecord},
    usecase::{
        account_service::AccountService,
        background_queue::DetectedAttack,
        update::{Attempt, Decision, Updated, pending_full},
    },
};

/// The credentials of a login, as a client sends them.
pub struct Login {
    pub identifier: String,
    pub password: SecretString,
}

/// The maximum number of verifications per login. The password is verified again only if it was changed while its hash
/// was computed.
const MAX_VERIFICATIONS: usize = 3;

/// Logs in and starts a session.
///
/// # Errors
/// Returns [`Problem::ValidationFailed`] for a bad password, [`Problem::InvalidCredentials`],
/// [`Problem::AccountDisabled`], [`Problem::EmailNotVerified`] or [`Problem::MfaRequired`]. If the store was unavailable, a session may have started whose tokens no client has.
pub async fn login(accounts: &Arc<AccountService>, login: Login, origin: Origin) -> Result<SignedIn, Problem> {
    let started = start_with_password(accounts, login, SessionKind::Tokens, origin).await?;
    accounts.issue_first_tokens(&started)
}

/// Starts a session of this kind with a password. See [`login`].
pub(super) async fn start_with_password(
    accounts: &Arc<AccountService>,
    login: Login,
    kind: SessionKind,
    origin: Origin,
) -> Result<StartedSession, Problem> {
    let password = Validation::only("password", Password::parse_attempt(&login.password))?;
    let identifier = LoginIdentifier::parse(&login.identifier);
    let result = login_within_limits(accounts, &identifier, &password, kind, &origin).await;
    accounts.count_login(&result);
    result
}

impl AccountService {
    /// Counts a login, or the second step of one, by its outcome.
    pub(super) fn count_login(&self, result: &Result<StartedSession, Problem>) {
        let outcome = match result {
            Ok(_) => "success",
            Err(Problem::InvalidCredentials) => "invalid",
            Err(Problem::AccountDisabled) => "disabled",
            Err(Problem::EmailNotVerified) => "unverified",
            Err(Problem::MfaRequired(_)) => "mfa_required",
            Err(Problem::TokenInvalid) => "mfa_token_invalid",
            Err(Problem::RateLimited(_)) => "throttled",
            Err(_) => "failure",
        };
        self.metrics.logins.with_label_values(&[outcome]).inc();
    }
}

async fn login_within_limits(
    accounts: &Arc<AccountService>,
    identifier: &LoginIdentifier,
    password: &Password,
    kind: SessionKind,
    origin: &Origin,
) -> Result<StartedSession, Problem> {
    let admission = accounts.hashes.admit()?;
    accounts.rate_limiter.charge_request(origin).await?;
    let found = accounts.find_for_login(identifier).await?;
    let user = found.as_ref().map(|user| user.id);
    // Charged before the hash is computed, so that a blocked attempt costs no hash.
    let attempt = accounts.rate_limiter.charge_login(identifier, found.as_ref(), origin, accounts.clock.now()).await?;
    // The verification requests a place in the queue of its own.
    drop(admission);
    let result = verify_password_and_start_session(accounts, identifier, password, found, kind, origin).await;
    match &result {
        // The password was correct.
        Ok(_) | Err(Problem::AccountDisabled | Problem::EmailNotVerified | Problem::MfaRequired(_)) => {
            attempt.succeed();
        }
        Err(Problem::InvalidCredentials) => {
            if let (Some(until), Some(user)) = (attempt.fail(), user) {
                accounts.background.enqueue_attack_notice(DetectedAttack {
                    user: user.into(),
                    until,
                    origin: origin.clone(),
                });
            }
        }
        // It was not verified.
        Err(_) => attempt.refund_unjudged(),
    }
    result
}

/// Verifies the password and starts the session.
async fn verify_password_and_start_session(
    accounts: &Arc<AccountService>,
    identifier: &LoginIdentifier,
    password: &Password,
    mut found: Option<UserRecord>,
    kind: SessionKind,
    origin: &Origin,
) -> Result<StartedSession, Problem> {
    for _ in 0..MAX_VERIFICATIONS {
        let hash = found.as_ref().map(UserRecord::password_hash).transpose()?;
        // A hash of the same cost is computed for an unknown user.
        let verification = accounts.hashes.verify(password, hash.as_ref(), requester(found.as_ref(), origin)).await?;
        let (Some(user), Some(hash)) = (found, hash) else { return Err(Problem::InvalidCredentials) };
        let Verification::Match { needs_rehash } = verification else {
            accounts.background.record(user.id.into(), AuditOnlyKind::LoginFailed, origin);
            return Err(Problem::InvalidCredentials);
        };
        if user.status == UserStatus::Disabled {
            return Err(Problem::AccountDisabled);
        }
        if accounts.rules.require_verified_email && !user.email_verified {
            return Err(Problem::EmailNotVerified);
        }
        let rehashed = match needs_rehash {
            true => Some(accounts.hashes.hash(password).await?),
            false => None,
        };
        let this = Arc::clone(accounts);
        let origin = origin.clone();
        let started = accounts.writes.run_to_completion(async move {
            this.start_session_or_ask_second_factor(&user, &hash, rehashed, kind, &origin).await
        });
        if let Some(started) = started.await? {
            return Ok(started);
        }
        found = accounts.find_for_login(identifier).await?;
    }
    Err(Problem::InvalidCredentials)
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
        kind: SessionKind,
        origin: &Origin,
    ) -> Result<Option<StartedSession>, Problem> {
        let epoch = user.sessions.epoch;
        let set = rehashed.as_ref().map(hash_field).unwrap_or_default();
        if let Some(totp) = &user.totp {
            if rehashed.is_none() {
                return Err(Problem::MfaRequired(self.mfa_token(user, totp)));
            }
            // The second step of the login does not have the password, so an outdated hash is replaced in a write of its
            // own. The token is bound to the new hash. A new hash of the same password is no update of the account.
            let change = Change { set, events_optional: true, ..Change::default() };
            let precondition = Precondition::Credentials { hash: verified, epoch };
            let written = written(self.writer.write(user, precondition, change).await?)?;
            return match written.as_ref().and_then(|user| Some((user, user.totp.as_ref()?))) {
                Some((user, totp)) => Err(Problem::MfaRequired(self.mfa_token(user, totp))),
                // The credentials have changed, or the second factor was turned off meanwhile.
                None => Ok(None),
            };
        }
        let now = self.clock.now();
        if self.is_new_sign_in(user, now, origin) {
            return self.start_session_with_notice(user, verified, set, kind, origin).await;
        }
        let mut change = Change { set, ..Change::default() };
        let session = self.new_session(user, password_login(kind, false), &mut change, now, origin)?;
        let precondition = Precondition::CredentialsWithoutSecondFactor { hash: verified, epoch };
        let commit = self.writer.start_session(&session.row, user, precondition, change).await?;
        Ok(written(commit)?.map(|user| self.started(user, session)))
    }

    /// Starts the session of a correct password, with a notice to the owner. The notice adds a link to the undo links,
    /// which a login does not read and which no other writer may have changed meanwhile: so the account is read again,
    /// and the write requires its version. Of several logins from one new place, the first one has the notice.
    async fn start_session_with_notice(
        &self,
        user: &UserRecord,
        verified: &PasswordHash,
        set: Document,
        kind: SessionKind,
        origin: &Origin,
    ) -> Result<Option<StartedSession>, Problem> {
        let epoch = user.sessions.epoch;
        let start = |user: &UserRecord, (), Attempt { now, .. }: Attempt| {
            let is_verified = user.status == UserStatus::Active
                && user.password_hash == verified.expose()
                && user.sessions.epoch == epoch
                && user.totp.is_none();
            if !is_verified {
                return Ok(Decision::Unchanged(None));
            }
            let mut change = Change { set: set.clone(), ..Change::default() };
            let with_notice = self.is_new_sign_in(user, now, origin);
            let session = self.new_session(user, password_login(kind, with_notice), &mut change, now, origin)?;
            Ok(Decision::StartSession(Box::new(session.row.clone()), change, Some(session)))
        };
        match self.writer.update(self.by_id(user.id.into()), start).await {
            Ok(Updated { result: Some(session), user: Some(user) }) => Ok(Some(self.started(user, session))),
            Ok(_) | Err(Problem::NotFound) => Ok(None),
            Err(problem) => Err(problem),
        }
    }
}

/// Returns the login with only a password.
fn password_login(kind: SessionKind, with_notice: bool) -> ProvenLogin {
    ProvenLogin { kind, methods: vec![LoginMethod::Password], with_notice }
}

/// Returns the account after a write, or `None` after a conflict.
fn written(commit: Commit) -> Result<Option<UserRecord>, Problem> {
    match commit {
        Commit::Done(user) => Ok(Some(*user)),
        Commit::Conflict | Commit::Tombstoned(_) => Ok(None),
        Commit::PendingFull => Err(pending_full()),
    }
}

fn hash_field(rehashed: &PasswordHash) -> Document {
    doc! { "passwordHash": rehashed.expose() }
}
