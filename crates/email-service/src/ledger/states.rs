//! The states of mails and dead letters, and the transitions between those of a mail.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of a mail.
///
/// ```text
///            ┌───────────────◀──────────────┐ (requeued, or refused for now)
///  queued ─▶ preparing ─▶ data ─▶ sent      │
///    │           │         ├──▶ failed      │
///    │           └─▶ failed└──▶ unknown ────┘ (resent once, where the policy allows)
///    └─▶ expired                 └──▶ sent  (a late 250)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waits for `nextAttemptAt`.
    Queued,
    /// A sender holds it and has not yet sent its body.
    Preparing,
    /// The server said 354: from here on the body may have arrived.
    Data,
    /// The server said 250 to the final dot.
    Sent,
    /// Refused permanently.
    Failed,
    /// No longer worth sending.
    Expired,
    /// Its address is suppressed.
    Suppressed,
    /// An operator decided not to send it.
    Discarded,
    /// The body may have been accepted; the service cannot tell.
    Unknown,
}

impl State {
    pub const ALL: &'static [State] = &[
        State::Queued,
        State::Preparing,
        State::Data,
        State::Sent,
        State::Failed,
        State::Expired,
        State::Suppressed,
        State::Discarded,
        State::Unknown,
    ];

    /// Returns the name in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Preparing => "preparing",
            State::Data => "data",
            State::Sent => "sent",
            State::Failed => "failed",
            State::Expired => "expired",
            State::Suppressed => "suppressed",
            State::Discarded => "discarded",
            State::Unknown => "unknown",
        }
    }

    /// Returns whether no automatic change follows. Whether `unknown` is terminal depends on the
    /// policy and the history: its row then has `terminalAt`.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, State::Sent | State::Failed | State::Expired | State::Suppressed | State::Discarded)
    }

    /// Returns the states that may follow automatically.
    #[must_use]
    pub fn successors(self) -> &'static [State] {
        match self {
            State::Queued => &[State::Preparing, State::Expired],
            State::Preparing => &[State::Data, State::Queued, State::Failed, State::Expired],
            State::Data => &[State::Sent, State::Queued, State::Failed, State::Unknown],
            State::Unknown => &[State::Sent, State::Failed, State::Queued],
            State::Sent | State::Failed | State::Expired | State::Suppressed | State::Discarded => &[],
        }
    }
}

impl State {
    /// Returns the states that may follow only by an operator's action. A mail that a sender holds
    /// cannot be changed. An expired mail stays expired: its link has expired or its message is
    /// outdated, and the user can ask for a new one.
    #[must_use]
    pub fn operator_successors(self) -> &'static [State] {
        match self {
            State::Queued => &[State::Queued, State::Discarded],
            State::Unknown => &[State::Queued, State::Sent, State::Failed, State::Discarded],
            State::Failed | State::Suppressed | State::Discarded | State::Sent => &[State::Queued],
            State::Preparing | State::Data | State::Expired => &[],
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeadLetterState {
    /// Waits for an operator.
    Open,
    /// Its record was processed again, with success.
    Replayed,
    /// An operator decided not to process it.
    Discarded,
}

impl DeadLetterState {
    pub const ALL: &'static [DeadLetterState] =
        &[DeadLetterState::Open, DeadLetterState::Replayed, DeadLetterState::Discarded];

    /// Returns the name in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DeadLetterState::Open => "open",
            DeadLetterState::Replayed => "replayed",
            DeadLetterState::Discarded => "discarded",
        }
    }
}

impl fmt::Display for DeadLetterState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_one_name() {
        for state in State::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for state in DeadLetterState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }

    #[test]
    fn nothing_follows_a_terminal_state() {
        for state in State::ALL.iter().filter(|state| state.is_terminal()) {
            assert!(state.successors().is_empty(), "{state}");
        }
    }

    #[test]
    fn a_body_is_sent_only_from_data_and_data_is_entered_only_from_preparing() {
        for state in State::ALL {
            assert_eq!(state.successors().contains(&State::Data), *state == State::Preparing, "{state}");
            let may_be_sent = matches!(state, State::Data | State::Unknown);
            assert_eq!(state.successors().contains(&State::Sent), may_be_sent, "{state}");
        }
    }

    #[test]
    fn no_operator_action_touches_a_mail_held_by_a_sender() {
        for state in State::ALL {
            let held = matches!(state, State::Preparing | State::Data);
            assert!(!held || state.operator_successors().is_empty(), "{state}");
            for next in state.operator_successors() {
                assert!(!matches!(next, State::Preparing | State::Data | State::Unknown | State::Expired), "{next}");
            }
        }
    }

    #[test]
    fn a_mail_that_may_have_been_accepted_never_expires() {
        for state in [State::Data, State::Unknown] {
            assert!(!state.successors().contains(&State::Expired), "{state}");
        }
    }
}
