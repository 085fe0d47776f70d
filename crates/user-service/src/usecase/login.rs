//! Login. The password is verified first; the session row is written; the commit
//! point is the user write, whose filter names the hash that was verified. So a
//! password that was changed meanwhile buys no session.

use std::sync::Arc;

use bson::doc;
use events::LoginMethod;
use uuid::Uuid;

use super::{Accounts, Failure, SignedIn, later};
use crate::{
    domain::{LoginIdentifier, Password, UserStatus},
    hashing::{PasswordHash, Verdict},
    outbox::Origin,
    store::{Change, Commit, DecidedOn, SCHEMA_VERSION, SessionRow, UserRecord, binary},
    tokens::RefreshTokens,
};
use service_kit::{fail_point, mongo::StoreError};

/// What somebody logs in with.
pub struct Login {
    pub identifier: LoginIdentifier,
    pub password: Password,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No such account, or another password: nobody is told which.
    #[error("the identifier or the password is wrong")]
    InvalidCredentials,
    #[error("the account is disabled")]
    Disabled,
    #[error("the e-mail address is not verified")]
    EmailNotVerified,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for LoginError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// A password is verified at most so often for one login: again only when it was
/// changed while its hash was computed.
const VERIFICATIONS: usize = 3;

/// Begins a session.
///
/// # Errors
/// [`LoginError`]. After an unavailable store a session may have begun that nobody
/// has the tokens of.
pub async fn login(accounts: &Arc<Accounts>, login: Login, origin: Origin) -> Result<SignedIn, LoginError> {
    let result = attempt(accounts, &login, &origin).await;
    let outcome = match &result {
        Ok(_) => "success",
        Err(LoginError::InvalidCredentials) => "invalid",
        Err(LoginError::Disabled) => "disabled",
        Err(LoginError::EmailNotVerified) => "unverified",
        Err(LoginError::Failure(_)) => "failure",
    };
    accounts.metrics.logins.with_label_values(&[outcome]).inc();
    result
}

async fn attempt(accounts: &Arc<Accounts>, login: &Login, origin: &Origin) -> Result<SignedIn, LoginError> {
    for _ in 0..VERIFICATIONS {
        let found = accounts.find(&login.identifier).await?;
        let hash = found.as_ref().map(UserRecord::password_hash).transpose()?;
        // An unknown user costs the same hash.
        let verdict = accounts.hashes.verify(&login.password, hash.as_ref()).await.map_err(Failure::from)?;
        let (Some(user), Some(hash)) = (found, hash) else { return Err(LoginError::InvalidCredentials) };
        let Verdict::Match { outdated } = verdict else {
            accounts.background.note_failed_login(user.id.into(), origin);
            return Err(LoginError::InvalidCredentials);
        };
        if user.status == UserStatus::Disabled {
            return Err(LoginError::Disabled);
        }
        if accounts.rules.require_verified_email && !user.email_verified {
            return Err(LoginError::EmailNotVerified);
        }
        let renewed = match outdated {
            true => Some(accounts.hashes.hash(&login.password).await.map_err(Failure::from)?),
            false => None,
        };
        let this = Arc::clone(accounts);
        let origin = origin.clone();
        let begun = accounts.writes.to_the_end(async move { this.begin(&user, &hash, renewed, &origin).await });
        if let Some(signed_in) = begun.await? {
            return Ok(signed_in);
        }
    }
    Err(LoginError::InvalidCredentials)
}

impl Accounts {
    async fn find(&self, identifier: &LoginIdentifier) -> Result<Option<UserRecord>, StoreError> {
        match identifier {
            LoginIdentifier::Email(key) => self.store.users.by_email_key(key).await,
            LoginIdentifier::Username(key) => self.store.users.by_username_key(key).await,
        }
    }

    /// The session row, then the commit; none if what was verified no longer holds.
    async fn begin(
        &self,
        user: &UserRecord,
        verified: &PasswordHash,
        renewed: Option<PasswordHash>,
        origin: &Origin,
    ) -> Result<Option<SignedIn>, LoginError> {
        let now = self.clock.now();
        let session: Uuid = self.ids.v4();
        let salt = RefreshTokens::salt();
        let epoch = user.sessions.epoch;
        let times = self.rules.session_times;
        // Signed before the commit: without a signing key there is no session either.
        self.access_tokens.issue(user.id.into(), session, epoch, &[], session).map_err(Failure::from)?;
        self.store
            .sessions
            .insert(&SessionRow {
                id: session.into(),
                schema_version: SCHEMA_VERSION,
                user_id: user.id,
                epoch,
                salt: binary(&salt),
                n: 1,
                created_at: now.into(),
                last_used_at: now.into(),
                rotated_at: now.into(),
                expires_at: later(now, times.idle.min(times.max)).into(),
                device: origin.client.clone(),
                address: origin.address.clone(),
            })
            .await?;
        fail_point!("login.before_commit");

        let mut set = doc! { "lastLoginAt": bson::DateTime::from(now) };
        if let Some(renewed) = renewed {
            set.insert("passwordHash", renewed.expose());
        }
        let event = self.outbox.logged_in(user.id.into(), session, vec![LoginMethod::Password], now, origin);
        let event_id = event.id;
        let change = Change { set, events: vec![event], events_optional: true, ..Change::default() };
        let decided_on = DecidedOn::Credentials { hash: verified, epoch };
        let written = match self.store.users.commit(user.id.into(), decided_on, change).await {
            Ok(Commit::Done(written)) => written,
            Ok(_) => {
                self.store.sessions.delete(session).await?;
                return Ok(None);
            }
            Err(error) => {
                // One of unknown outcome leaves the row: the session may have begun.
                if !error.outcome_unknown() {
                    let _ = self.store.sessions.delete(session).await;
                }
                return Err(error.into());
            }
        };
        if !written.pending_events.iter().any(|pending| uuid::Uuid::from(pending.id) == event_id) {
            self.metrics.login_events_dropped.inc();
        }
        self.publish(&written);
        Ok(Some(self.sign_in(&written, session, epoch, &salt, 1)?))
    }
}
