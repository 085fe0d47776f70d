//! Which events a request causes: one table, from `docs/EVENTS.md` and the API's contract.

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

/// What a success owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// An event of its own, whose sequence is the version in the answer, where there is one.
    EverySuccess,
    /// As `EverySuccess`, unless half as many events as may be were pending for this account.
    UnlessListIsLong,
    /// At least one event in this account's life: a repetition changes nothing.
    AtLeastOnce,
    /// Nothing: it depends on what the account was like, or happens behind the answer.
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

/// What a request with this action causes.
pub(crate) fn expected_events(action: Action) -> Vec<ExpectedEvent> {
    match action {
        // With an Idempotency-Key a repetition is answered with 201 too.
        Action::Register => vec![at_least_once(UserRegistered)],
        Action::Login => {
            vec![
                ExpectedEvent { event: UserLoggedIn, certainty: Certainty::UnlessListIsLong },
                possible(UserRecoveryCodeUsed),
            ]
        }
        // Where no session is to be ended, nothing is written.
        Action::EndOtherSessions | Action::LogoutEverywhere => vec![possible(UserSessionsEnded)],
        Action::UpdateProfile => vec![on_every_success(UserProfileUpdated)],
        Action::ChangePassword => vec![on_every_success(UserPasswordChanged)],
        Action::RequestReset => vec![possible(UserPasswordResetRequested)],
        // The first proof of the mailbox removes a second factor.
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
                // Of a factor that was added after the change.
                possible(UserTotpDisabled),
            ]
        }
        Action::EnableTotp => vec![on_every_success(UserTotpEnabled)],
        Action::DisableTotp => vec![on_every_success(UserTotpDisabled)],
        Action::Delete => vec![at_least_once(UserDeleted)],
        Action::Disable => vec![at_least_once(UserDisabled)],
        Action::Enable => vec![possible(UserEnabled)],
        Action::Unlock => vec![possible(UserUnlocked)],
        Action::SetRoles => vec![at_least_once(UserRolesChanged), possible(UserProfileUpdated)],
        // An old refresh token ends its session, which is a note and no event.
        Action::Refresh | Action::Logout | Action::Read | Action::StartTotp | Action::Invalid => Vec::new(),
    }
}

/// Whether an account can have only one event of this type, however often it is asked for.
pub(crate) const fn occurs_once_per_account(event: EventType) -> bool {
    matches!(event, UserRegistered | UserDeleted)
}

/// Whether the service, or somebody at its command line, causes such an event without a request.
pub(crate) fn occurs_without_request(payload: &Payload) -> bool {
    match payload {
        // A lock follows from guesses, which are refused.
        Payload::UserLocked(_) | Payload::UserImported(_) => true,
        Payload::UserRolesChanged(data) => data.by == RolesChangedBy::Operator,
        _ => false,
    }
}

/// Whether it was answered with success.
pub(crate) fn succeeded(operation: &Operation) -> bool {
    matches!(&operation.outcome, Outcome::Answered(answer) if (200..300).contains(&answer.status))
}

/// Whether what was asked may have been done: it succeeded, or nobody knows. A 500 and the
/// 503 `unavailable` may come after the write; `overloaded` is topic_event before it.
pub(crate) fn may_have_happened(operation: &Operation) -> bool {
    match &operation.outcome {
        Outcome::Unknown { .. } => true,
        Outcome::Answered(answer) => match answer.status {
            200..300 | 500 | 502 | 504 => true,
            503 => answer.problem.as_deref() != Some("overloaded"),
            _ => false,
        },
    }
}
