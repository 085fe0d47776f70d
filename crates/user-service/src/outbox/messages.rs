//! Which event a fact becomes: the only file that builds payloads.

use events::{
    DeletedBy, LoginMethod, PasswordChangeReason, Payload, Recipient, TokenGrant, TraceParent, UserDeleted,
    UserEmailVerificationRequested, UserEmailVerified, UserLoggedIn, UserPasswordChanged, UserProfileUpdated,
    UserRegistered,
    sealing::{PublicKey, Purpose, TokenPlaintext},
};
use jiff::Timestamp;
use service_kit::Ids;
use uuid::Uuid;

use crate::{
    domain::{OneTimeToken, User},
    store::{AuditPart, NewEvent},
};

/// Where a request came from: for the audit log and the trace, never for the topic.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    pub address: Option<String>,
    pub client: Option<String>,
    pub trace_parent: Option<TraceParent>,
}

impl Origin {
    /// The audit part of something that the person did.
    #[must_use]
    pub fn by_self(&self) -> AuditPart {
        AuditPart { actor: "self".to_owned(), address: self.address.clone(), client: self.client.clone() }
    }
}

/// Makes events: gives them their ids, and seals the tokens in them.
#[derive(Clone)]
pub struct Outbox {
    ids: Ids,
    sealing: PublicKey,
}

impl Outbox {
    /// Tokens are sealed to `sealing`, the email service's public key.
    #[must_use]
    pub fn new(ids: Ids, sealing: PublicKey) -> Self {
        Self { ids, sealing }
    }

    /// A new account, and the token that verifies its address.
    #[must_use]
    pub fn registered(
        &self,
        user: &User,
        token: &OneTimeToken,
        expires_at: Timestamp,
        now: Timestamp,
        origin: &Origin,
    ) -> NewEvent {
        let id = self.ids.v7(now);
        let verification = self.grant(id, token, &user.email, Purpose::EmailVerification, expires_at);
        let payload = UserRegistered {
            user_id: user.id,
            username: user.username.clone(),
            recipient: user.recipient(),
            verification,
        };
        event(id, now, origin, &Payload::UserRegistered(payload))
    }

    /// A new verification token was asked for.
    #[must_use]
    pub fn verification_requested(
        &self,
        user: &User,
        token: &OneTimeToken,
        expires_at: Timestamp,
        now: Timestamp,
        origin: &Origin,
    ) -> NewEvent {
        let id = self.ids.v7(now);
        let verification = self.grant(id, token, &user.email, Purpose::EmailVerification, expires_at);
        let payload = UserEmailVerificationRequested { user_id: user.id, recipient: user.recipient(), verification };
        event(id, now, origin, &Payload::UserEmailVerificationRequested(payload))
    }

    /// The address is the person's.
    #[must_use]
    pub fn email_verified(&self, user: &User, now: Timestamp, origin: &Origin) -> NewEvent {
        let payload = UserEmailVerified { user_id: user.id, email: user.email.clone() };
        event(self.ids.v7(now), now, origin, &Payload::UserEmailVerified(payload))
    }

    /// A session began.
    #[must_use]
    pub fn logged_in(
        &self,
        user: Uuid,
        session: Uuid,
        methods: Vec<LoginMethod>,
        now: Timestamp,
        origin: &Origin,
    ) -> NewEvent {
        let payload = UserLoggedIn { user_id: user, session_id: session, methods };
        event(self.ids.v7(now), now, origin, &Payload::UserLoggedIn(payload))
    }

    /// Members of the profile have new values; only their names are told.
    #[must_use]
    pub fn profile_updated(&self, user: Uuid, changed: Vec<String>, now: Timestamp, origin: &Origin) -> NewEvent {
        let payload = UserProfileUpdated { user_id: user, changed };
        event(self.ids.v7(now), now, origin, &Payload::UserProfileUpdated(payload))
    }

    /// The password is another.
    #[must_use]
    pub fn password_changed(
        &self,
        user: &User,
        reason: PasswordChangeReason,
        now: Timestamp,
        origin: &Origin,
    ) -> NewEvent {
        let payload = UserPasswordChanged { user_id: user.id, reason, recipient: user.recipient() };
        event(self.ids.v7(now), now, origin, &Payload::UserPasswordChanged(payload))
    }

    /// The account is gone.
    #[must_use]
    pub fn deleted(
        &self,
        user: Uuid,
        recipient: Recipient,
        by: DeletedBy,
        now: Timestamp,
        origin: &Origin,
    ) -> NewEvent {
        let payload = UserDeleted { user_id: user, by, recipient };
        event(self.ids.v7(now), now, origin, &Payload::UserDeleted(payload))
    }

    fn grant(
        &self,
        event_id: Uuid,
        token: &OneTimeToken,
        to: &str,
        purpose: Purpose,
        expires_at: Timestamp,
    ) -> TokenGrant {
        let plaintext = TokenPlaintext { token: token.to_text(), to: to.to_owned(), purpose, event_id };
        TokenGrant { sealed: self.sealing.seal(&plaintext), expires_at }
    }
}

fn event(id: Uuid, at: Timestamp, origin: &Origin, payload: &Payload) -> NewEvent {
    NewEvent {
        id,
        event_type: payload.event_type(),
        at,
        data: payload.to_json(),
        trace_parent: origin.trace_parent.as_ref().map(|parent| parent.as_str().to_owned()),
        audit: origin.by_self(),
    }
}
