//! Builds the event of each change. No other file builds payloads.

use events::{
    DeletedBy, LoginMethod, PasswordChangeReason, Payload, Recipient, RolesChangedBy, SessionsEndedReason,
    StatusChangedBy, TokenGrant, TotpDisabledBy, UndoneChange, UserChangeUndone, UserDeleted, UserDisabled,
    UserDisowned, UserEmailChangeRequested, UserEmailChangeUndone, UserEmailChanged, UserEmailVerificationRequested,
    UserEmailVerified, UserEnabled, UserImported, UserLocked, UserLoggedIn, UserPasswordChanged,
    UserPasswordResetRequested, UserProfileUpdated, UserRecoveryCodeUsed, UserRecoveryCodesRenewed, UserRegistered,
    UserRegistrationAttempted, UserRolesChanged, UserSessionsEnded, UserTotpDisabled, UserTotpEnabled, UserUnlocked,
    sealing::{PublicKey, Purpose, TokenPlaintext},
};
use jiff::Timestamp;
use service_kit::Ids;
use uuid::Uuid;

use super::origin::{Actor, Origin};
use crate::{
    domain::{OneTimeToken, User},
    store::NewEvent,
};

/// Builds events: assigns their ids, and seals the tokens in them.
#[derive(Clone)]
pub struct EventBuilder {
    ids: Ids,
    sealing: PublicKey,
}

impl EventBuilder {
    /// Creates a builder that seals tokens to `sealing`, the public key of the email service.
    #[must_use]
    pub fn new(ids: Ids, sealing: PublicKey) -> Self {
        Self { ids, sealing }
    }

    /// Builds the event of a new account, with the token that verifies its email address.
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

    /// Builds the event of an account that was imported from another system. It seals nothing, so it needs no key.
    #[must_use]
    pub fn imported(ids: &Ids, user: &User, welcome: bool, now: Timestamp, origin: &Origin) -> NewEvent {
        let (username, recipient) = (user.username.clone(), user.recipient());
        let payload = UserImported { user_id: user.id, username, welcome, recipient };
        event(ids.v7(now), now, origin, &Payload::UserImported(payload))
    }

    /// Builds the event of a request for a new verification token.
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

    /// Builds the event of a verified email address.
    #[must_use]
    pub fn email_verified(&self, user: &User, now: Timestamp, origin: &Origin) -> NewEvent {
        let payload = UserEmailVerified { user_id: user.id, email: user.email.clone() };
        event(self.ids.v7(now), now, origin, &Payload::UserEmailVerified(payload))
    }

    /// Builds the event of a started session.
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

    /// Builds the event of a changed profile. It contains only the names of the changed members.
    #[must_use]
    pub fn profile_updated(&self, user: Uuid, changed: Vec<String>, now: Timestamp, origin: &Origin) -> NewEvent {
        let payload = UserProfileUpdated { user_id: user, changed };
        event(self.ids.v7(now), now, origin, &Payload::UserProfileUpdated(payload))
    }

    /// Builds the event of a changed password. `undo` is the token that undoes it, with its expiry.
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

    /// Builds the event of a requested change of the email address. The current address gets a notice.
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

    /// Builds the event of a changed email address. `user` is the account before the change; its old address gets a
    /// notice.
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

    /// Builds the event of an undone change of the email address. `user` is the account after the undo.
    #[must_use]
    pub fn email_change_undone(&self, user: &User, now: Timestamp, origin: &Origin) -> NewEvent {
        let payload = UserEmailChangeUndone { user_id: user.id, recipient: user.recipient() };
        event(self.ids.v7(now), now, origin, &Payload::UserEmailChangeUndone(payload))
    }

    /// Builds the event of a request for a link that sets a new password.
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

    /// Builds the event of an attempted registration with the email address of this account. The link
    /// sets a new password.
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

    /// Builds the event of ended sessions, for a change that has no other event.
    #[must_use]
    pub fn sessions_ended(&self, user: Uuid, reason: SessionsEndedReason, now: Timestamp, origin: &Origin) -> NewEvent {
        sessions_ended(&self.ids, user, reason, now, origin)
    }

    /// Builds the event of a second factor that was turned on. `undo` is the token that turns it off, with its expiry.
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

    /// Builds the event of a second factor that was turned off, by the user if `by` is `None`.
    #[must_use]
    pub fn totp_disabled(&self, user: &User, by: Option<TotpDisabledBy>, now: Timestamp, origin: &Origin) -> NewEvent {
        totp_disabled(&self.ids, user, by, now, origin)
    }

    /// Builds the event of new recovery codes. `undo` is the token that voids them, with its expiry.
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

    /// Builds the event of a change that was undone by the link in its notice. `user` is the account after the undo.
    #[must_use]
    pub fn change_undone(&self, user: &User, change: UndoneChange, now: Timestamp, origin: &Origin) -> NewEvent {
        let payload = UserChangeUndone { user_id: user.id, change, recipient: user.recipient() };
        event(self.ids.v7(now), now, origin, &Payload::UserChangeUndone(payload))
    }

    /// Builds the event of an account that the owner of the mailbox disowned.
    #[must_use]
    pub fn disowned(&self, user: Uuid, now: Timestamp, origin: &Origin) -> NewEvent {
        event(self.ids.v7(now), now, origin, &Payload::UserDisowned(UserDisowned { user_id: user }))
    }

    /// Builds the event of a recovery code that was used in place of the authenticator. `remaining` codes are left.
    #[must_use]
    pub fn recovery_code_used(&self, user: &User, remaining: usize, now: Timestamp, origin: &Origin) -> NewEvent {
        let remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
        let payload = UserRecoveryCodeUsed { user_id: user.id, remaining, recipient: user.recipient() };
        event(self.ids.v7(now), now, origin, &Payload::UserRecoveryCodeUsed(payload))
    }

    /// Builds the event of an account under attack: logins from unknown networks are refused.
    #[must_use]
    pub fn locked(&self, user: &User, until: Timestamp, now: Timestamp, origin: &Origin) -> NewEvent {
        let payload = UserLocked { user_id: user.id, until, recipient: user.recipient() };
        event(self.ids.v7(now), now, origin, &Payload::UserLocked(payload))
    }

    /// Builds the event of a lock that an administrator ended early.
    #[must_use]
    pub fn unlocked(&self, user: Uuid, now: Timestamp, origin: &Origin) -> NewEvent {
        event(self.ids.v7(now), now, origin, &Payload::UserUnlocked(UserUnlocked { user_id: user }))
    }

    /// Builds the event of an account that an administrator disabled.
    #[must_use]
    pub fn disabled(&self, user: Uuid, now: Timestamp, origin: &Origin) -> NewEvent {
        let payload = UserDisabled { user_id: user, by: StatusChangedBy::Admin };
        event(self.ids.v7(now), now, origin, &Payload::UserDisabled(payload))
    }

    /// Builds the event of an account that an administrator enabled again.
    #[must_use]
    pub fn enabled(&self, user: Uuid, now: Timestamp, origin: &Origin) -> NewEvent {
        let payload = UserEnabled { user_id: user, by: StatusChangedBy::Admin };
        event(self.ids.v7(now), now, origin, &Payload::UserEnabled(payload))
    }

    /// Builds the event of a deleted account.
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

/// Builds the event of changed roles. This is not a method of [`EventBuilder`], because the command line,
/// which does it too, has no key to seal with.
#[must_use]
pub fn roles_changed(ids: &Ids, user: Uuid, roles: &[String], now: Timestamp, origin: &Origin) -> NewEvent {
    let by = if origin.actor == Actor::Operator { RolesChangedBy::Operator } else { RolesChangedBy::Admin };
    let payload = UserRolesChanged { user_id: user, roles: roles.to_vec(), by };
    event(ids.v7(now), now, origin, &Payload::UserRolesChanged(payload))
}

/// Builds the event of [`EventBuilder::totp_disabled`], for the command line.
#[must_use]
pub fn totp_disabled(ids: &Ids, user: &User, by: Option<TotpDisabledBy>, now: Timestamp, origin: &Origin) -> NewEvent {
    let payload = UserTotpDisabled { user_id: user.id, recipient: user.recipient(), by };
    event(ids.v7(now), now, origin, &Payload::UserTotpDisabled(payload))
}

/// Builds the event of [`EventBuilder::sessions_ended`], for the command line.
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
