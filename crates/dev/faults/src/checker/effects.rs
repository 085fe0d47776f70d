//! Which events a request causes: one table, from `docs/EVENTS.md` and the API's contract.

use events::{
    EventType::{self, *},
    Payload, RolesChangedBy,
};

use crate::checker::{Action, Operation, Outcome};

/// An event that a request may cause.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effect {
    pub event: EventType,
    pub owed: Owed,
}

/// What a success owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owed {
    /// An event of its own, whose sequence is the version in the answer, where there is one.
    Always,
    /// As `Always`, unless half as many events as may be were pending for this account.
    UnlessCrowded,
    /// At least one event in this account's life: a repetition changes nothing.
    Once,
    /// Nothing: it depends on what the account was like, or happens behind the answer.
    Nothing,
}

fn always(event: EventType) -> Effect {
    Effect { event, owed: Owed::Always }
}

fn once(event: EventType) -> Effect {
    Effect { event, owed: Owed::Once }
}

fn maybe(event: EventType) -> Effect {
    Effect { event, owed: Owed::Nothing }
}

/// What a request with this action causes.
pub(crate) fn effects(action: Action) -> Vec<Effect> {
    match action {
        // With an Idempotency-Key a repetition is answered with 201 too.
        Action::Register => vec![once(UserRegistered)],
        Action::Login => {
            vec![Effect { event: UserLoggedIn, owed: Owed::UnlessCrowded }, maybe(UserRecoveryCodeUsed)]
        }
        // Where no session is to be ended, nothing is written.
        Action::EndOtherSessions | Action::LogoutEverywhere => vec![maybe(UserSessionsEnded)],
        Action::UpdateProfile => vec![always(UserProfileUpdated)],
        Action::ChangePassword => vec![always(UserPasswordChanged)],
        Action::RequestReset => vec![maybe(UserPasswordResetRequested)],
        // The first proof of the mailbox removes a second factor.
        Action::ConfirmReset => {
            vec![always(UserPasswordChanged), maybe(UserEmailVerified), maybe(UserTotpDisabled)]
        }
        Action::ResendVerification => vec![maybe(UserEmailVerificationRequested)],
        Action::VerifyEmail => vec![always(UserEmailVerified)],
        Action::RequestEmailChange => vec![always(UserEmailChangeRequested)],
        Action::ConfirmEmailChange => vec![always(UserEmailChanged)],
        Action::UndoEmailChange => {
            vec![
                always(UserEmailChangeUndone),
                always(UserSessionsEnded),
                always(UserPasswordResetRequested),
                // Of a factor that was added after the change.
                maybe(UserTotpDisabled),
            ]
        }
        Action::EnableTotp => vec![always(UserTotpEnabled)],
        Action::DisableTotp => vec![always(UserTotpDisabled)],
        Action::Delete => vec![once(UserDeleted)],
        Action::Disable => vec![once(UserDisabled)],
        Action::Enable => vec![maybe(UserEnabled)],
        Action::Unlock => vec![maybe(UserUnlocked)],
        Action::SetRoles => vec![once(UserRolesChanged), maybe(UserProfileUpdated)],
        // An old refresh token ends its session, which is a note and no event.
        Action::Refresh | Action::Logout | Action::Read | Action::StartTotp | Action::Invalid => Vec::new(),
    }
}

/// Whether an account can have only one event of this type, however often it is asked for.
pub(crate) const fn happens_once(event: EventType) -> bool {
    matches!(event, UserRegistered | UserDeleted)
}

/// Whether the service, or somebody at its command line, causes such an event without a request.
pub(crate) fn happens_by_itself(payload: &Payload) -> bool {
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
/// 503 `unavailable` may come after the write; `overloaded` is said before it.
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
