//! Which event a fact becomes: the only file that builds payloads.

use std::fmt;

use events::{
    DeletedBy, LoginMethod, PasswordChangeReason, Payload, Recipient, RolesChangedBy, SessionsEndedReason,
    StatusChangedBy, TokenGrant, TotpDisabledBy, TraceParent, UndoneChange, UserChangeUndone, UserDeleted,
    UserDisabled, UserDisowned, UserEmailChangeRequested, UserEmailChangeUndone, UserEmailChanged,
    UserEmailVerificationRequested, UserEmailVerified, UserEnabled, UserImported, UserLocked, UserLoggedIn,
    UserPasswordChanged, UserPasswordResetRequested, UserProfileUpdated, UserRecoveryCodeUsed,
    UserRecoveryCodesRenewed, UserRegistered, UserRegistrationAttempted, UserRolesChanged, UserSessionsEnded,
    UserTotpDisabled, UserTotpEnabled, UserUnlocked,
    sealing::{PublicKey, Purpose, TokenPlaintext},
};
use jiff::Timestamp;
use service_kit::Ids;
use uuid::Uuid;

use crate::{
    domain::{OneTimeToken, Reason, User},
    store::{AuditDetails, NewEvent},
};

/// Who does something to an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Actor {
    /// The person whose account it is.
    #[default]
    User,
    Admin(Uuid),
    /// Somebody with a shell on the service's machine.
    Operator,
    /// The service, by its configuration.
    System,
}

impl Actor {
    /// Reads what `Display` wrote.
    #[must_use]
    pub fn of(stored: &str) -> Self {
        match stored {
            "self" => Self::User,
            "operator" => Self::Operator,
            other => Uuid::try_parse(other).map_or(Self::System, Self::Admin),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("self"),
            Self::Admin(id) => write!(f, "{id}"),
            Self::Operator => f.write_str("operator"),
            Self::System => f.write_str("system"),
        }
    }
}

/// Where a request came from: for the audit log and the trace, never for the topic.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    pub actor: Actor,
    pub address: Option<String>,
    pub client: Option<String>,
    /// Why an admin or operator does it, for the audit log.
    pub reason: Option<String>,
    pub trace_parent: Option<TraceParent>,
}

impl Origin {
    /// The same request, made by an admin for somebody else's account.
    #[must_use]
    pub fn by_admin(self, admin: Uuid) -> Self {
        Self { actor: Actor::Admin(admin), ..self }
    }

    /// Returns the same request with the reason that was given for it.
    #[must_use]
    pub fn because(self, reason: &Reason) -> Self {
        Self { reason: Some(reason.as_str().to_owned()), ..self }
    }

    /// What the service does by itself.
    #[must_use]
    pub fn system() -> Self {
        Self { actor: Actor::System, ..Self::default() }
    }

    /// What somebody does on the command line.
    #[must_use]
    pub fn operator() -> Self {
        Self { actor: Actor::Operator, ..Self::default() }
    }

    /// The private part of the pending entry.
    #[must_use]
    pub fn audit_details(&self) -> AuditDetails {
        AuditDetails {
            actor: self.actor.to_string(),
            address: self.address.clone(),
            client: self.client.clone(),
            reason: self.reason.clone(),
        }
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

    /// An account was taken over from another system. Needs no key: nothing is sealed.
    #[must_use]
    pub fn imported(ids: &Ids, user: &User, welcome: bool, now: Timestamp, origin: &Origin) -> NewEvent {
        let (username, recipient) = (user.username.clone(), user.recipient());
        let payload = UserImported { user_id: user.id, username, welcome, recipient };
        event(ids.v7(now), now, origin, &Payload::UserImported(payload))
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

    /// The password is another; `undo` is the token that takes it back, and until when.
    #[must_use]
    pub fn password_changed(
        &self,
        user: &User,
        reason: PasswordChangeReason,
        undo: Option<(&OneTimeToken, Timestamp)>,
        now: Timestamp,
        origin: &Origin,
    ) -> NewEvent {
        let id = self.ids.v7(now);
        let undo = self.grant_undo(id, undo, user, Purpose::PasswordChangeUndo);
        let payload = UserPasswordChanged { user_id: user.id, reason, recipient: user.recipient(), undo };
        event(id, now, origin, &Payload::UserPasswordChanged(payload))
    }

    /// Another address was asked for; the present one is told.
    #[must_use]
    pub fn email_change_requested(
        &self,
        user: &User,
        new_email: &str,
        token: &OneTimeToken,
        expires_at: Timestamp,
        now: Timestamp,
        origin: &Origin,
    ) -> NewEvent {
        let id = self.ids.v7(now);
        let confirmation = self.grant(id, token, new_email, Purpose::EmailChange, expires_at);
        let payload = UserEmailChangeRequested {
            user_id: user.id,
            new_email: new_email.to_owned(),
            recipient: user.recipient(),
            confirmation,
            username: Some(user.username.clone()),
        };
        event(id, now, origin, &Payload::UserEmailChangeRequested(payload))
    }

    /// The address is another; `user` is as before, and the address of before is told.
    #[must_use]
    pub fn email_changed(
        &self,
        user: &User,
        new_email: &str,
        undo: &OneTimeToken,
        expires_at: Timestamp,
        now: Timestamp,
        origin: &Origin,
    ) -> NewEvent {
        let id = self.ids.v7(now);
        let undo = self.grant(id, undo, &user.email, Purpose::EmailChangeUndo, expires_at);
        let payload = UserEmailChanged {
            user_id: user.id,
            old_email: user.email.clone(),
            new_email: new_email.to_owned(),
            recipient: user.recipient(),
            undo,
        };
        event(id, now, origin, &Payload::UserEmailChanged(payload))
    }

    /// A change of the address was taken back; `user` is as it is now.
    #[must_use]
    pub fn email_change_undone(&self, user: &User, now: Timestamp, origin: &Origin) -> NewEvent {
        let payload = UserEmailChangeUndone { user_id: user.id, recipient: user.recipient() };
        event(self.ids.v7(now), now, origin, &Payload::UserEmailChangeUndone(payload))
    }

    /// A link that sets a new password was asked for.
    #[must_use]
    pub fn reset_requested(
        &self,
        user: &User,
        token: &OneTimeToken,
        expires_at: Timestamp,
        now: Timestamp,
        origin: &Origin,
    ) -> NewEvent {
        let id = self.ids.v7(now);
        let reset = self.grant(id, token, &user.email, Purpose::PasswordReset, expires_at);
        let payload = UserPasswordResetRequested { user_id: user.id, recipient: user.recipient(), reset };
        event(id, now, origin, &Payload::UserPasswordResetRequested(payload))
    }

    /// A registration with the address of this account was attempted; the link sets a new
    /// password.
    #[must_use]
    pub fn registration_attempted(
        &self,
        user: &User,
        token: &OneTimeToken,
        expires_at: Timestamp,
        now: Timestamp,
        origin: &Origin,
    ) -> NewEvent {
        let id = self.ids.v7(now);
        let reset = self.grant(id, token, &user.email, Purpose::PasswordReset, expires_at);
        let payload = UserRegistrationAttempted { user_id: user.id, recipient: user.recipient(), reset };
        event(id, now, origin, &Payload::UserRegistrationAttempted(payload))
    }

    /// Sessions ended, by nothing that other events tell.
    #[must_use]
    pub fn sessions_ended(&self, user: Uuid, reason: SessionsEndedReason, now: Timestamp, origin: &Origin) -> NewEvent {
        sessions_ended(&self.ids, user, reason, now, origin)
    }

    /// The second factor is on; `undo` is the token that turns it off, and until when.
    #[must_use]
    pub fn totp_enabled(
        &self,
        user: &User,
        undo: Option<(&OneTimeToken, Timestamp)>,
        now: Timestamp,
        origin: &Origin,
    ) -> NewEvent {
        let id = self.ids.v7(now);
        let undo = self.grant_undo(id, undo, user, Purpose::TotpUndo);
        let payload = UserTotpEnabled { user_id: user.id, recipient: user.recipient(), undo };
        event(id, now, origin, &Payload::UserTotpEnabled(payload))
    }

    /// The second factor is off, by the user if `by` does not say otherwise.
    #[must_use]
    pub fn totp_disabled(&self, user: &User, by: Option<TotpDisabledBy>, now: Timestamp, origin: &Origin) -> NewEvent {
        totp_disabled(&self.ids, user, by, now, origin)
    }

    /// There are new recovery codes; `undo` is the token that voids them, and until when.
    #[must_use]
    pub fn recovery_codes_renewed(
        &self,
        user: &User,
        undo: Option<(&OneTimeToken, Timestamp)>,
        now: Timestamp,
        origin: &Origin,
    ) -> NewEvent {
        let id = self.ids.v7(now);
        let undo = self.grant_undo(id, undo, user, Purpose::RecoveryCodesUndo);
        let payload = UserRecoveryCodesRenewed { user_id: user.id, recipient: user.recipient(), undo };
        event(id, now, origin, &Payload::UserRecoveryCodesRenewed(payload))
    }

    /// A change was taken back by the link in its notice; `user` is as it is now.
    #[must_use]
    pub fn change_undone(&self, user: &User, change: UndoneChange, now: Timestamp, origin: &Origin) -> NewEvent {
        let payload = UserChangeUndone { user_id: user.id, change, recipient: user.recipient() };
        event(self.ids.v7(now), now, origin, &Payload::UserChangeUndone(payload))
    }

    /// The owner of the mailbox said that the account is not theirs.
    #[must_use]
    pub fn disowned(&self, user: Uuid, now: Timestamp, origin: &Origin) -> NewEvent {
        event(self.ids.v7(now), now, origin, &Payload::UserDisowned(UserDisowned { user_id: user }))
    }

    /// A recovery code stood in for the authenticator; `remaining` are left.
    #[must_use]
    pub fn recovery_code_used(&self, user: &User, remaining: usize, now: Timestamp, origin: &Origin) -> NewEvent {
        let remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
        let payload = UserRecoveryCodeUsed { user_id: user.id, remaining, recipient: user.recipient() };
        event(self.ids.v7(now), now, origin, &Payload::UserRecoveryCodeUsed(payload))
    }

    /// The account is under attack; networks it does not know are held.
    #[must_use]
    pub fn locked(&self, user: &User, until: Timestamp, now: Timestamp, origin: &Origin) -> NewEvent {
        let payload = UserLocked { user_id: user.id, until, recipient: user.recipient() };
        event(self.ids.v7(now), now, origin, &Payload::UserLocked(payload))
    }

    /// The lock ended early.
    #[must_use]
    pub fn unlocked(&self, user: Uuid, now: Timestamp, origin: &Origin) -> NewEvent {
        event(self.ids.v7(now), now, origin, &Payload::UserUnlocked(UserUnlocked { user_id: user }))
    }

    /// An admin has disabled the account.
    #[must_use]
    pub fn disabled(&self, user: Uuid, now: Timestamp, origin: &Origin) -> NewEvent {
        let payload = UserDisabled { user_id: user, by: StatusChangedBy::Admin };
        event(self.ids.v7(now), now, origin, &Payload::UserDisabled(payload))
    }

    /// An admin has enabled the account again.
    #[must_use]
    pub fn enabled(&self, user: Uuid, now: Timestamp, origin: &Origin) -> NewEvent {
        let payload = UserEnabled { user_id: user, by: StatusChangedBy::Admin };
        event(self.ids.v7(now), now, origin, &Payload::UserEnabled(payload))
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

    fn grant_undo(
        &self,
        event_id: Uuid,
        undo: Option<(&OneTimeToken, Timestamp)>,
        user: &User,
        purpose: Purpose,
    ) -> Option<TokenGrant> {
        undo.map(|(token, expires_at)| self.grant(event_id, token, &user.email, purpose, expires_at))
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

/// The account has these roles now. No method of [`Outbox`]: the command line, which does
/// it too, has no key to seal with.
#[must_use]
pub fn roles_changed(ids: &Ids, user: Uuid, roles: &[String], now: Timestamp, origin: &Origin) -> NewEvent {
    let by = if origin.actor == Actor::Operator { RolesChangedBy::Operator } else { RolesChangedBy::Admin };
    let payload = UserRolesChanged { user_id: user, roles: roles.to_vec(), by };
    event(ids.v7(now), now, origin, &Payload::UserRolesChanged(payload))
}

/// As [`Outbox::totp_disabled`], for the command line.
#[must_use]
pub fn totp_disabled(ids: &Ids, user: &User, by: Option<TotpDisabledBy>, now: Timestamp, origin: &Origin) -> NewEvent {
    let payload = UserTotpDisabled { user_id: user.id, recipient: user.recipient(), by };
    event(ids.v7(now), now, origin, &Payload::UserTotpDisabled(payload))
}

/// As [`Outbox::sessions_ended`], for the command line.
#[must_use]
pub fn sessions_ended(ids: &Ids, user: Uuid, reason: SessionsEndedReason, now: Timestamp, origin: &Origin) -> NewEvent {
    let payload = UserSessionsEnded { user_id: user, reason };
    event(ids.v7(now), now, origin, &Payload::UserSessionsEnded(payload))
}

fn event(id: Uuid, at: Timestamp, origin: &Origin, payload: &Payload) -> NewEvent {
    NewEvent {
        id,
        event_type: payload.event_type(),
        at,
        data: payload.to_json(),
        trace_parent: origin.trace_parent.as_ref().map(|parent| parent.as_str().to_owned()),
        audit: origin.audit_details(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_reads_back_as_it_was_written() {
        for actor in [Actor::User, Actor::Admin(Uuid::max()), Actor::Operator, Actor::System] {
            assert_eq!(Actor::of(&actor.to_string()), actor);
        }
    }
}
