//! The filters of the commands on mails and dead letters, as command-line arguments.

use jiff::Timestamp;

use super::time_arg::TimeArg;
use crate::{
    ledger::{DeadLetterFilter, DeadLetterState, MailFilter, State},
    plan::Template,
};

/// Conditions on mails; all given conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct MailFilterArgs {
    /// Only mails in this state; several separated by commas
    #[arg(long, value_delimiter = ',')]
    pub state: Vec<State>,
    /// Only mails of this kind (welcome, password-reset, …); several separated by commas
    #[arg(long, value_delimiter = ',')]
    pub template: Vec<Template>,
    /// Only mails caused by this user
    #[arg(long, value_name = "USER_ID")]
    pub user: Option<String>,
    /// Only mails to this address, in upper or lower case
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<String>,
    /// Only mails caused by this event
    #[arg(long, value_name = "EVENT_ID")]
    pub event: Option<String>,
    /// Only mails whose event happened at this time or later: RFC 3339, or a duration before now, such as 2h
    #[arg(long, value_name = "TIME")]
    pub since: Option<TimeArg>,
    /// Only mails whose event happened before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<TimeArg>,
}

impl MailFilterArgs {
    /// Returns whether any condition is given.
    pub(super) fn is_given(&self) -> bool {
        *self != Self::default()
    }

    /// Returns the filter, with durations counted back from `now`.
    pub(super) fn to_filter(&self, now: Timestamp) -> MailFilter {
        MailFilter {
            states: self.state.clone(),
            templates: self.template.clone(),
            user: self.user.clone(),
            to: self.to.as_ref().map(|address| address.trim().to_owned()),
            event: self.event.clone(),
            since: self.since.map(|time| time.resolve(now)),
            until: self.until.map(|time| time.resolve(now)),
        }
    }
}

/// Conditions on dead letters; all given conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct DeadLetterFilterArgs {
    /// Only dead letters in this state: open, replayed, discarded; several separated by commas
    #[arg(long, value_delimiter = ',')]
    pub state: Vec<DeadLetterState>,
    /// Only dead letters with this reason (not-json, sealed-unknown-key, …); several separated by commas
    #[arg(long, value_delimiter = ',')]
    pub reason: Vec<String>,
    /// Only events of this type; several separated by commas
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    pub event_type: Vec<String>,
    /// Only this event
    #[arg(long, value_name = "EVENT_ID")]
    pub event: Option<String>,
    /// Only dead letters first seen at this time or later: RFC 3339, or a duration before now, such as 2h
    #[arg(long, value_name = "TIME")]
    pub since: Option<TimeArg>,
    /// Only dead letters first seen before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<TimeArg>,
}

impl DeadLetterFilterArgs {
    /// Returns whether any condition is given.
    pub(super) fn is_given(&self) -> bool {
        *self != Self::default()
    }

    /// Returns the filter, with durations counted back from `now`.
    pub(super) fn to_filter(&self, now: Timestamp) -> DeadLetterFilter {
        DeadLetterFilter {
            states: self.state.clone(),
            reasons: self.reason.clone(),
            types: self.event_type.clone(),
            event: self.event.clone(),
            since: self.since.map(|time| time.resolve(now)),
            until: self.until.map(|time| time.resolve(now)),
        }
    }
}
