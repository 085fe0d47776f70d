//! Builds the write that starts a session after all required proofs, and issues its tokens.

use std::time::Duration;

use bson::doc;
use events::{LoginMethod, UserLoggedIn};
use jiff::Timestamp;
use secrecy::SecretString;
use uuid::Uuid;

use crate::{
    domain::{User, expires_at},
    outbox::Origin,
    problem::Problem,
    store::{Change, SCHEMA_VERSION, SessionRow, UserRecord, binary},
    tokens::Subject,
    usecase::account_service::AccountService,
};

/// A session that is about to start.
pub(in crate::usecase) struct NewSession {
    pub row: SessionRow,
    login_event: Uuid,
}

impl AccountService {
    /// Returns a session of this user, and adds the login to the write of the account; `with_notice` adds the notice to
    /// its owner, for which `user` must be complete, and the write must require its version. The notice and the events
    /// that the write already has must not be dropped, unlike the event of the login: if there is such an event and the
    /// list of pending events is full, the login is refused.
    ///
    /// # Errors
    /// Returns an error without a signing key: then no session starts.
    pub(in crate::usecase) fn new_session(
        &self,
        user: &UserRecord,
        methods: Vec<LoginMethod>,
        with_notice: bool,
        change: &mut Change,
        now: Timestamp,
        origin: &Origin,
    ) -> Result<NewSession, Problem> {
        self.access_tokens.can_issue()?;
        let (user_id, session_id) = (user.id.into(), self.ids.v4());
        let times = self.lifetimes.sessions;
        let row = SessionRow {
            id: session_id.into(),
            schema_version: SCHEMA_VERSION,
            user_id: user.id,
            epoch: user.sessions.epoch,
            salt: binary(&self.refresh_tokens.new_salt(session_id)),
            n: 1,
            retried_from: None,
            created_at: now.into(),
            last_used_at: now.into(),
            rotated_at: now.into(),
            expires_at: expires_at(now, times.idle.min(times.max)).into(),
            device: origin.client.clone(),
            address: origin.address.clone(),
            authenticated_at: None,
            second_factor: methods.iter().any(|method| *method != LoginMethod::Password),
        };
        if with_notice {
            self.add_sign_in_notice(user, session_id, change, now, origin);
        }
        let event = self.outbox.event(now, origin, UserLoggedIn { user_id, session_id, methods });
        let login_event = event.id;
        change.set.extend(doc! { "lastLoginAt": bson::DateTime::from(now) });
        self.remember_place(user_id, change, now, origin);
        change.events_optional = change.events.is_empty();
        change.events.push(event);
        Ok(NewSession { row, login_event })
    }

    /// Issues the first tokens of a session that has started. `user` is the account after the write.
    ///
    /// # Errors
    /// Returns an error if there is no signing key any more.
    pub(in crate::usecase) fn issue_first_tokens(
        &self,
        user: &UserRecord,
        NewSession { row, login_event }: &NewSession,
    ) -> Result<SignedIn, Problem> {
        if !user.pending_events.iter().any(|pending| pending.id == (*login_event).into()) {
            self.metrics.login_events_dropped.inc();
        }
        self.issue_tokens(user, row, 1)
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
    /// Issues the tokens of a session of this user. `n` is the number of the refresh token.
    ///
    /// # Errors
    /// Returns an error without a signing key.
    pub(in crate::usecase) fn issue_tokens(
        &self,
        user: &UserRecord,
        row: &SessionRow,
        n: u32,
    ) -> Result<SignedIn, Problem> {
        let ends_at = expires_at(row.created_at.into(), self.lifetimes.sessions.max);
        let (user, session) = (user.user(), row.id.into());
        let subject = Subject { user: user.id, roles: &user.roles, configured: self.rules.token_claims.of(&user) };
        let issued = self.access_tokens.issue(subject, session, row.epoch, self.ids.v4(), ends_at)?;
        Ok(SignedIn {
            access_token: issued.token,
            expires_in: issued.expires_in,
            refresh_token: self.refresh_tokens.issue(session, &row.salt.bytes, n),
            user,
        })
    }
}
