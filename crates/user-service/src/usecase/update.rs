//! The one way to change an account: read it, decide, write under the precondition of what was read, and decide again if
//! another writer came first. Two writes are not repeated here: a login without a notice requires the password that it has
//! verified, and the next turn of the expiry of unverified accounts decides again. What follows from a change is done here
//! as well: its events are offered to the relay, the list of administrators stays correct, a reservation that has expired
//! gives way, and ended sessions are deleted.

use bson::Uuid;
use jiff::Timestamp;
use service_kit::{Clock, fail_point, mongo::StoreError};

use crate::{
    domain::{Email, ExpectedVersion},
    outbox::Actor,
    problem::Problem,
    relay::Relay,
    store::{
        Backlog, Change, ClaimedKey, Commit, EMAIL_KEYS, EndSessions, PendingEvent, Precondition, SessionRow, Store,
        UserRecord, UserStore, is_username_index,
    },
};

/// The maximum number of attempts of a change that conflicts with other writers.
const MAX_ATTEMPTS: usize = 50;

/// Finds the account that a request is about, and checks what the request proves.
pub(in crate::usecase) trait Load: Send + 'static {
    /// What the request proves, and the decision needs.
    type Proof: Send;

    /// Returns the account as it is now. It is called again for each attempt.
    fn load(&mut self, now: Timestamp) -> impl Future<Output = Result<(UserRecord, Self::Proof), Problem>> + Send;
}

/// The account with this id.
pub(in crate::usecase) struct ById {
    pub users: UserStore,
    pub id: uuid::Uuid,
}

impl Load for ById {
    type Proof = ();

    async fn load(&mut self, _: Timestamp) -> Result<(UserRecord, ()), Problem> {
        Ok((self.users.by_id(self.id).await?.ok_or(Problem::NotFound)?, ()))
    }
}

/// The account with this id, which an administrator or a client changes. A client never changes an account that has a
/// role, also if it got the role since the last attempt.
pub(in crate::usecase) struct Managed {
    pub account: ById,
    pub actor: Actor,
}

impl Load for Managed {
    type Proof = ();

    async fn load(&mut self, now: Timestamp) -> Result<(UserRecord, ()), Problem> {
        let (user, ()) = self.account.load(now).await?;
        if matches!(self.actor, Actor::Client(_)) && !user.roles.is_empty() {
            return Err(Problem::ForbiddenBecause("A client cannot change an account that has a role."));
        }
        Ok((user, ()))
    }
}

/// The account with this current address.
pub(in crate::usecase) struct ByEmail {
    pub users: UserStore,
    pub key: String,
}

impl ByEmail {
    pub(in crate::usecase) fn new(store: &Store, email: &Email) -> Self {
        Self { users: store.users.clone(), key: email.key().to_owned() }
    }
}

impl Load for ByEmail {
    type Proof = ();

    async fn load(&mut self, _: Timestamp) -> Result<(UserRecord, ()), Problem> {
        Ok((self.users.by_email_key(&self.key).await?.ok_or(Problem::NotFound)?, ()))
    }
}

/// One attempt of an update.
#[derive(Clone, Copy)]
pub(in crate::usecase) struct Attempt {
    pub now: Timestamp,
    /// The number of usernames that this update has found taken ([`ClaimedKey::UsernameOrAnother`]).
    pub taken_usernames: u32,
}

/// What an update does with the account that was read, and what it returns.
pub(in crate::usecase) enum Decision<T> {
    Unchanged(T),
    Write(Change, T),
    /// Writes the change, which starts this session.
    StartSession(Box<SessionRow>, Change, T),
}

/// The result of an update.
pub(in crate::usecase) struct Updated<T> {
    pub result: T,
    /// The account as it is now, or `None` after its deletion.
    pub user: Option<UserRecord>,
}

impl<T> Updated<T> {
    /// Returns the account.
    ///
    /// # Errors
    /// Returns [`Problem::NotFound`] after a deletion.
    pub(in crate::usecase) fn into_user(self) -> Result<UserRecord, Problem> {
        self.user.ok_or(Problem::NotFound)
    }
}

/// The reason why a change was not written, besides the outcomes in [`Commit`].
#[derive(Debug, thiserror::Error)]
pub(in crate::usecase) enum WriteError {
    /// There is no other administrator.
    #[error("the account is the last administrator")]
    LastAdmin,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::LastAdmin => {
                Self::Conflict("This is the last administrator. Give another account the role first.")
            }
            WriteError::Store(error) => error.into(),
        }
    }
}

/// Writes changes of accounts.
#[derive(Clone)]
pub struct AccountWriter {
    pub store: Store,
    pub clock: Clock,
    /// `None` on the command line: the relay of a running service finds the events.
    pub relay: Option<Relay>,
}

impl AccountWriter {
    /// Loads the account, decides, and writes what was decided. If the account has changed meanwhile, it is loaded and
    /// decided again.
    ///
    /// # Errors
    /// Returns the error of `load` or `decide`; [`Problem::EmailTaken`] or [`Problem::UsernameTaken`] if the change
    /// claims such a key; [`Problem::Unavailable`] if too many events of the account are pending, or too many other
    /// writers came first. Then nothing was changed, unless the store was unavailable: then the outcome is unknown.
    pub(in crate::usecase) async fn update<L: Load, T>(
        &self,
        mut load: L,
        mut decide: impl FnMut(&UserRecord, L::Proof, Attempt) -> Result<Decision<T>, Problem>,
    ) -> Result<Updated<T>, Problem> {
        let mut expired = ExpiredReservations::default();
        let mut taken_usernames = 0;
        for _ in 0..MAX_ATTEMPTS {
            let attempt = Attempt { now: self.clock.now(), taken_usernames };
            let (user, proof) = load.load(attempt.now).await?;
            let (session, change, result) = match decide(&user, proof, attempt)? {
                Decision::Unchanged(result) => return Ok(Updated { result, user: Some(user) }),
                Decision::Write(change, result) => (None, change, result),
                Decision::StartSession(session, change, result) => (Some(session), change, result),
            };
            let claims = change.claims.clone();
            let written = match session {
                None => self.write(&user, Precondition::Version(user.version), change).await,
                Some(row) => self.start_session(&row, &user, Precondition::Version(user.version), change).await,
            };
            match written {
                Ok(Commit::Done(user)) => return Ok(Updated { result, user: Some(*user) }),
                Ok(Commit::Tombstoned(_)) => return Ok(Updated { result, user: None }),
                Ok(Commit::Conflict) => {}
                Ok(Commit::PendingFull) => return Err(pending_full()),
                Err(WriteError::Store(error))
                    if expired.release(&self.store.users, &error, claims.as_ref(), attempt.now).await? => {}
                Err(WriteError::Store(StoreError::DuplicateKey { index }))
                    if is_username_index(&index) && matches!(claims, Some(ClaimedKey::UsernameOrAnother(_))) =>
                {
                    taken_usernames += 1;
                }
                // A change that claims no key cannot find one taken: this is a defect, not a conflict of the client.
                Err(WriteError::Store(error @ StoreError::DuplicateKey { .. })) if claims.is_none() => {
                    return Err(Problem::internal(error));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Problem::unavailable("too many concurrent writes to this account"))
    }

    /// Writes a change of `user` once, if the precondition holds, and does what follows from it.
    pub(in crate::usecase) async fn write(
        &self,
        user: &UserRecord,
        precondition: Precondition<'_>,
        change: Change,
    ) -> Result<Commit, WriteError> {
        let ends_sessions = change.ended_sessions() != EndSessions::None;
        let commit = self.commit_with_admin_list(user, precondition, change).await?;
        match &commit {
            Commit::Done(written) => {
                self.publish(written);
                if ends_sessions
                    && let Err(error) = self.store.sessions.delete_ended(written.id.into(), written.sessions).await
                {
                    tracing::debug!(%error, "the rows of ended sessions stay until they expire");
                }
            }
            Commit::Tombstoned(pending) => self.publish_tombstone(user.id, pending.clone()),
            Commit::Conflict | Commit::PendingFull => {}
        }
        Ok(commit)
    }

    /// Inserts the row of a session, then writes the change that starts it. If the change is not written, the row is
    /// deleted, unless the outcome is unknown: then the session may have started, but no client has its tokens.
    pub(in crate::usecase) async fn start_session(
        &self,
        row: &SessionRow,
        user: &UserRecord,
        precondition: Precondition<'_>,
        change: Change,
    ) -> Result<Commit, WriteError> {
        let sessions = &self.store.sessions;
        sessions.insert(row).await?;
        fail_point!("login.before_commit");
        let written = self.write(user, precondition, change).await;
        match &written {
            Ok(Commit::Done(_)) => {}
            Ok(_) => drop(sessions.delete(row.id.into()).await?),
            Err(WriteError::Store(error)) if error.outcome_unknown() => {}
            // The row expires by itself if it cannot be deleted.
            Err(_) => drop(sessions.delete(row.id.into()).await),
        }
        written
    }

    /// Passes the pending events of a written account to the relay.
    pub(in crate::usecase) fn publish(&self, user: &UserRecord) {
        self.offer(Backlog {
            user: user.id,
            deleted_at: None,
            pending_events: user.pending_events.clone(),
            parked: user.parked.clone(),
        });
    }

    fn publish_tombstone(&self, user: Uuid, pending_events: Vec<PendingEvent>) {
        self.offer(Backlog { user, deleted_at: Some(self.clock.now().into()), pending_events, parked: None });
    }

    fn offer(&self, backlog: Backlog) {
        if let Some(relay) = &self.relay {
            relay.offer(backlog);
        }
    }
}

/// Refuses an account whose version the request does not permit.
///
/// # Errors
/// Returns [`Problem::PreconditionFailed`].
pub(in crate::usecase) fn require_version(expected: &ExpectedVersion, user: &UserRecord) -> Result<(), Problem> {
    if expected.permits(user.version) { Ok(()) } else { Err(Problem::PreconditionFailed) }
}

/// Returns the problem of an account whose pending list is full.
pub(in crate::usecase) fn pending_full() -> Problem {
    Problem::unavailable("this account has too many unpublished events")
}

/// Releases reservations that have expired and that a write has run into, each kind of key once.
#[derive(Default)]
pub(in crate::usecase) struct ExpiredReservations {
    email: bool,
    username: bool,
}

impl ExpiredReservations {
    /// Returns whether the key that the write claims is free now, so that the write is worth another attempt.
    pub(in crate::usecase) async fn release(
        &mut self,
        users: &UserStore,
        error: &StoreError,
        claimed: Option<&ClaimedKey>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let StoreError::DuplicateKey { index } = error else { return Ok(false) };
        match claimed {
            Some(ClaimedKey::Email(key)) if index == EMAIL_KEYS && !std::mem::replace(&mut self.email, true) => {
                users.release_expired_email(key, now).await
            }
            Some(ClaimedKey::Username(key) | ClaimedKey::UsernameOrAnother(key))
                if is_username_index(index) && !std::mem::replace(&mut self.username, true) =>
            {
                users.release_expired_username(key, now).await
            }
            _ => Ok(false),
        }
    }
}
