//! Starts a session after all required proofs: first inserts the session row, then commits it with the write of the
//! user.

use std::time::Duration;

use bson::{Document, doc};
use events::LoginMethod;
use jiff::Timestamp;
use secrecy::SecretString;
use service_kit::{fail_point, mongo::StoreError};
use uuid::Uuid;

use crate::{
    domain::{User, expiry::expires_at},
    outbox::Origin,
    store::{Change, NewEvent, Precondition, SCHEMA_VERSION, SessionRow, TotpChange, UserRecord, binary},
    tokens::RefreshTokens,
    usecase::{
        account_service::AccountService,
        failure::Failure,
        write_outcome::{WriteOutcome, write_outcome},
    },
};

/// A login whose proofs were verified.
pub(in crate::usecase) struct NewSession<'a> {
    /// The account that the proofs were verified against.
    pub user: &'a UserRecord,
    /// The part of the account that must not have changed before the session starts.
    pub precondition: Precondition<'a>,
    pub methods: Vec<LoginMethod>,
    /// Further fields that the same write sets.
    pub set: Document,
    pub totp: TotpChange,
    /// Events that must not be dropped, unlike the event of the login. If such events exist and the list of pending
    /// events is full, the login is refused.
    pub required_events: Vec<NewEvent>,
}

impl AccountService {
    /// Starts the session and returns its tokens, or `None` if the precondition no longer holds.
    ///
    /// # Errors
    /// Returns an error if the session could not be started. If the store was unavailable, it may have started
    /// nevertheless, but no client has its tokens.
    pub(in crate::usecase) async fn start_session(
        &self,
        new_session: NewSession<'_>,
        origin: &Origin,
    ) -> Result<Option<SignedIn>, Failure> {
        let user = new_session.user;
        let now = self.clock.now();
        let session: Uuid = self.ids.v4();
        let salt = RefreshTokens::salt();
        let epoch = user.sessions.epoch;
        let times = self.rules.session_times;
        // Checked before the commit: without a signing key no session starts.
        self.access_tokens.can_issue()?;
        self.store
            .sessions
            .insert(&SessionRow {
                id: session.into(),
                schema_version: SCHEMA_VERSION,
                user_id: user.id,
                epoch,
                salt: binary(&salt),
                n: 1,
                retried_from: None,
                created_at: now.into(),
                last_used_at: now.into(),
                rotated_at: now.into(),
                expires_at: expires_at(now, times.idle.min(times.max)).into(),
                device: origin.client.clone(),
                address: origin.address.clone(),
            })
            .await?;
        fail_point!("login.before_commit");

        let mut set = new_session.set;
        set.extend(doc! { "lastLoginAt": bson::DateTime::from(now) });
        let event = self.outbox.logged_in(user.id.into(), session, new_session.methods, now, origin);
        let event_id = event.id;
        let events_optional = new_session.required_events.is_empty();
        let mut events = new_session.required_events;
        events.push(event);
        let seen_network = Some(self.rate_limiter.known_network(user.id.into(), origin, now));
        let change = Change { set, totp: new_session.totp, seen_network, events, events_optional, ..Change::default() };
        let outcome = match self.store.users.commit(user.id.into(), new_session.precondition, change).await {
            Ok(commit) => write_outcome(commit),
            Err(error) => {
                self.delete_if_not_started(session, &error).await;
                return Err(error.into());
            }
        };
        let Ok(WriteOutcome::Done(written)) = outcome else {
            self.store.sessions.delete(session).await?;
            return outcome.map(|_| None);
        };
        if !written.pending_events.iter().any(|pending| Uuid::from(pending.id) == event_id) {
            self.metrics.login_events_dropped.inc();
        }
        self.publish(&written);
        Ok(Some(self.issue_tokens(&written, session, epoch, &salt, 1, now)?))
    }

    /// Deletes the row, unless the outcome of the commit is unknown: then the session may have started.
    async fn delete_if_not_started(&self, session: Uuid, error: &StoreError) {
        if !error.outcome_unknown() {
            let _ = self.store.sessions.delete(session).await;
        }
    }
}

/// The result of a login or a refresh.
pub struct SignedIn {
    pub access_token: SecretString,
    pub expires_in: Duration,
    pub refresh_token: SecretString,
    pub user: User,
}

impl AccountService {
    /// Issues the tokens of a session of this user that started at `started_at`. `n` is the number of the refresh
    /// token.
    pub(in crate::usecase) fn issue_tokens(
        &self,
        user: &UserRecord,
        session: Uuid,
        epoch: i64,
        salt: &[u8],
        n: u32,
        started_at: Timestamp,
    ) -> Result<SignedIn, Failure> {
        let ends_at = expires_at(started_at, self.rules.session_times.max);
        let id = user.id.into();
        let issued = self.access_tokens.issue(id, session, epoch, &user.roles, self.ids.v4(), ends_at)?;
        Ok(SignedIn {
            access_token: issued.token,
            expires_in: issued.expires_in,
            refresh_token: self.refresh_tokens.issue(session, salt, n),
            user: user.user(),
        })
    }
}
