//! The events that each request causes, as one table that follows `docs/EVENTS.md` and the API's contract.

use events::{
    EventType::{self, *},
    Payload, RolesChangedBy,
};

use crate::checker::{Action, Operation, Outcome};

/// An event that a request may cause.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpectedEvent {
    pub event: EventType,
    pub certainty: Certainty,
}

/// When a successful request must have caused an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// Every success has its own event, whose sequence is the version in the response if there is one.
    EverySuccess,
    /// Like `EverySuccess`, unless the account's pending list was at least half full.
    UnlessListIsLong,
    /// The account has at least one such event; a repeated request changes nothing.
    AtLeastOnce,
    /// No event is required: it depends on the account's state, or happens after the response.
    Possible,
}

fn on_every_success(event: EventType) -> ExpectedEvent {
    ExpectedEvent { event, certainty: Certainty::EverySuccess }
}

fn at_least_once(event: EventType) -> ExpectedEvent {
    ExpectedEvent { event, certainty: Certainty::AtLeastOnce }
}

fn possible(event: EventType) -> ExpectedEvent {
    ExpectedEvent { event, certainty: Certainty::Possible }
}

/// Returns the events that a request with this action causes or may cause.
pub(crate) fn expected_events(action: Action) -> Vec<ExpectedEvent> {
    match action {
        // With an Idempotency-Key, a repeated request also gets 201.
        Action::Register => vec![at_least_once(UserRegistered)],
        Action::Login => {
            vec![
                ExpectedEvent { event: UserLoggedIn, certainty: Certainty::UnlessListIsLong },
                possible(UserRecoveryCodeUsed),
                // Only of a login from a new device or network.
                possible(UserNewSignIn),
            ]
        }
        // Only if it was done with a recovery code.
        Action::Reauthenticate => vec![possible(UserRecoveryCodeUsed)],
        // If there is no other session, nothing is written.
        Action::EndOtherSessions | Action::LogoutEverywhere => vec![possible(UserSessionsEnded)],
        Action::UpdateProfile => vec![on_every_success(UserProfileUpdated)],
        Action::ChangePassword => vec![on_every_success(UserPasswordChanged)],
        Action::RequestReset => vec![possible(UserPasswordResetRequested)],
        // The first proof of access to the mailbox removes a second factor.
        Action::ConfirmReset => {
            vec![on_every_success(UserPasswordChanged), possible(UserEmailVerified), possible(UserTotpDisabled)]
        }
        Action::ResendVerification => vec![possible(UserEmailVerificationRequested)],
        Action::VerifyEmail => vec![on_every_success(UserEmailVerified)],
        Action::RequestEmailChange => vec![on_every_success(UserEmailChangeRequested)],
        Action::ConfirmEmailChange => vec![on_every_success(UserEmailChanged)],
        Action::UndoEmailChange => {
            vec![
                on_every_success(UserEmailChangeUndone),
                on_every_success(UserSessionsEnded),
                on_every_success(UserPasswordResetRequested),
                // The undo removes a second factor that was added after the change.
                possible(UserTotpDisabled),
            ]
        }
        Action::EnableTotp => vec![on_every_success(UserTotpEnabled)],
        Action::DisableTotp => vec![on_every_success(UserTotpDisabled)],
        Action::RenewRecoveryCodes => vec![on_every_success(UserRecoveryCodesRenewed)],
        // Undoing a change of the password starts a reset, and undoing TOTP disables it.
        Action::UndoChange => {
            vec![on_every_success(UserChangeUndone), possible(UserPasswordResetRequested), possible(UserTotpDisabled)]
        }
        Action::Disown => vec![on_every_success(UserDisowned)],
        Action::Invite => vec![on_every_success(UserInvited)],
        Action::AcceptInvitation => {
            vec![on_every_success(UserEmailVerified), on_every_success(UserInvitationAccepted)]
        }
        Action::Delete => vec![at_least_once(UserDeleted)],
        Action::Disable => vec![at_least_once(UserDisabled)],
        Action::Enable => vec![possible(UserEnabled)],
        Action::Unlock => vec![possible(UserUnlocked)],
        Action::SetRoles => vec![at_least_once(UserRolesChanged), possible(UserProfileUpdated)],
        // The reuse of an old refresh token ends its session, which is written to the audit log and causes no event.
        Action::Guess | Action::Refresh | Action::Logout | Action::Read | Action::StartTotp | Action::Invalid => {
            Vec::new()
        }
    }
}

/// Returns whether an account has at most one event of this type, regardless of the number of requests.
pub(crate) const fn occurs_once_per_account(event: EventType) -> bool {
    matches!(event, UserRegistered | UserInvitationAccepted | UserDeleted)
}

/// Returns whether the service, or an operator's command, can cause this event without a request.
pub(crate) fn occurs_without_request(payload: &Payload) -> bool {
    match payload {
        // A lock follows from failed logins, which are refused requests.
        Payload::UserLocked(_) | Payload::UserImported(_) => true,
        Payload::UserRolesChanged(data) => data.by == RolesChangedBy::Operator,
        _ => false,
    }
}

/// Returns whether the operation was answered with success.
pub(crate) fn succeeded(operation: &Operation) -> bool {
    matches!(&operation.outcome, Outcome::Answered(response) if (200..300).contains(&response.status))
}

/// Returns whether the request may have taken effect: it succeeded, or its outcome is unknown. A 500 and the 503
/// `unavailable` may follow the write; `overloaded` always precedes it.
pub(crate) fn may_have_happened(operation: &Operation) -> bool {
    match &operation.outcome {
        Outcome::Unknown { .. } => true,
        Outcome::Answered(response) => match response.status {
            200..300 | 500 | 502 | 504 => true,
            503 => response.problem.as_deref() != Some("overloaded"),
            _ => false,
        },
    }
}
