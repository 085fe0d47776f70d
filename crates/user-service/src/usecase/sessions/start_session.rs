//! Builds the write that starts a session after all required proofs, and issues what its client needs: tokens, or the
//! cookie of a page session.

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
    tokens::{SessionCookie, Subject},
    usecase::account_service::AccountService,
};

/// What the client of a session holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::usecase) enum SessionKind {
    /// An access token and a refresh token.
    Tokens,
    /// The cookie of a page session.
    Page,
}

/// A login after all required proofs.
pub(in crate::usecase) struct ProvenLogin {
    pub kind: SessionKind,
    pub methods: Vec<LoginMethod>,
    /// Whether its owner gets a notice. The account must be complete then, and the write must require its version.
    pub with_notice: bool,
}

/// A session that is about to start.
pub(in crate::usecase) struct NewSession {
    pub row: SessionRow,
    login_event: Uuid,
    /// The cookie of a page session.
    cookie: Option<SessionCookie>,
}

/// A session that has started.
pub(in crate::usecase) struct StartedSession {
    /// The account after the write.
    pub user: UserRecord,
    pub session: NewSession,
}

impl AccountService {
    /// Returns a session of this user, and adds the login to the write of the account. The notice and the events that the
    /// write already has must not be dropped, unlike the event of the login: if there is such an event and the list of
    /// pending events is full, the login is refused.
    ///
    /// # Errors
    /// Returns an error without a signing key: then no session starts.
    pub(in crate::usecase) fn new_session(
        &self,
        user: &UserRecord,
        login: ProvenLogin,
        change: &mut Change,
        now: Timestamp,
        origin: &Origin,
    ) -> Result<NewSession, Problem> {
        let ProvenLogin { kind, methods, with_notice } = login;
        let (user_id, session_id) = (user.id.into(), self.ids.v4());
        let cookie = match kind {
            SessionKind::Page => Some(SessionCookie::generate(session_id)),
            SessionKind::Tokens => {
                self.access_tokens.can_issue()?;
                None
            }
        };
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
            cookie_hash: cookie.as_ref().map(|cookie| binary(&cookie.hash())),
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
        Ok(NewSession { row, login_event, cookie })
    }

    /// Returns the session that this write has started. `user` is the account after the write.
    pub(in crate::usecase) fn started(&self, user: UserRecord, session: NewSession) -> StartedSession {
        if !user.pending_events.iter().any(|pending| pending.id == session.login_event.into()) {
            self.metrics.login_events_dropped.inc();
        }
        StartedSession { user, session }
    }

    /// Issues the first tokens of a token session.
    ///
    /// # Errors
    /// Returns an error if there is no signing key any more.
    pub(in crate::usecase) fn issue_first_tokens(&self, started: &StartedSession) -> Result<SignedIn, Problem> {
        self.issue_tokens(&started.user, &started.session.row, 1)
    }
}

impl StartedSession {
    /// Returns the cookie of a page session.
    ///
    /// # Errors
    /// Returns an error for a token session, which is a defect.
    pub(in crate::usecase) fn into_cookie(self) -> Result<SecretString, Problem> {
        let cookie = self.session.cookie.ok_or_else(|| Problem::internal(anyhow::anyhow!("not a page session")))?;
        Ok(cookie.to_text())
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
