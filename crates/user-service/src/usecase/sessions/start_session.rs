//! Starts a session after all proofs that the account asks for: the session row first; the write of the user commits it.

use std::time::Duration;

use crate::{
    domain::{User, expiry::expires_at},
    outbox::Origin,
    store::{Change, NewEvent, Precondition, SCHEMA_VERSION, SessionRow, TotpChange, UserRecord, binary},
    tokens::RefreshTokens,
    usecase::{
        account_service::AccountService,
        failure::Failure,
        retry::{WriteOutcome, write_outcome},
    },
};
use bson::{Document, doc};
use events::LoginMethod;
use jiff::Timestamp;
use secrecy::SecretString;
use service_kit::{fail_point, mongo::StoreError};
use uuid::Uuid;

/// A login whose proofs were judged.
pub(in crate::usecase) struct Beginning<'a> {
    /// The account as it was when they were.
    pub user: &'a UserRecord,
    /// What of it must still be so for the session to begin.
    pub precondition: Precondition<'a>,
    pub methods: Vec<LoginMethod>,
    /// What else the same write changes.
    pub set: Document,
    pub totp: TotpChange,
    /// Events that, unlike the login's own, may not be left out. With them the login is
    /// refused while as many events as allowed wait.
    pub indispensable: Vec<NewEvent>,
}

impl AccountService {
    /// The session's tokens; none if what was decided on no longer holds.
    ///
    /// # Errors
    /// After an unavailable store a session may have begun that nobody has the tokens of.
    pub(in crate::usecase) async fn start_session(
        &self,
        beginning: Beginning<'_>,
        origin: &Origin,
    ) -> Result<Option<SignedIn>, Failure> {
        let user = beginning.user;
        let now = self.clock.now();
        let session: Uuid = self.ids.v4();
        let salt = RefreshTokens::salt();
        let epoch = user.sessions.epoch;
        let times = self.rules.session_times;
        // Asked before the commit: without a signing key there is no session either.
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

        let mut set = beginning.set;
        set.extend(doc! { "lastLoginAt": bson::DateTime::from(now) });
        let event = self.outbox.logged_in(user.id.into(), session, beginning.methods, now, origin);
        let event_id = event.id;
        let events_optional = beginning.indispensable.is_empty();
        let mut events = beginning.indispensable;
        events.push(event);
        let seen_network = Some(self.throttle.seen(user.id.into(), origin, now));
        let change = Change { set, totp: beginning.totp, seen_network, events, events_optional, ..Change::default() };
        let ended = match self.store.users.commit(user.id.into(), beginning.precondition, change).await {
            Ok(commit) => write_outcome(commit),
            Err(error) => {
                self.forget_unless_begun(session, &error).await;
                return Err(error.into());
            }
        };
        let Ok(WriteOutcome::Done(written)) = ended else {
            self.store.sessions.delete(session).await?;
            return ended.map(|_| None);
        };
        if !written.pending_events.iter().any(|pending| Uuid::from(pending.id) == event_id) {
            self.metrics.login_events_dropped.inc();
        }
        self.publish(&written);
        Ok(Some(self.sign_in(&written, session, epoch, &salt, 1, now)?))
    }

    /// A commit of unknown outcome leaves the row: the session may have begun.
    async fn forget_unless_begun(&self, session: Uuid, error: &StoreError) {
        if !error.outcome_unknown() {
            let _ = self.store.sessions.delete(session).await;
        }
    }
}

/// The answer to login and refresh.
pub struct SignedIn {
    pub access_token: SecretString,
    pub expires_in: Duration,
    pub refresh_token: SecretString,
    pub user: User,
}

impl AccountService {
    /// Tokens for a session of this user that began at `began`: refresh token number `n`.
    pub(in crate::usecase) fn sign_in(
        &self,
        user: &UserRecord,
        session: Uuid,
        epoch: i64,
        salt: &[u8],
        n: u32,
        began: Timestamp,
    ) -> Result<SignedIn, Failure> {
        let ends_at = expires_at(began, self.rules.session_times.max);
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
