//! Which dead letters a command means, as it is typed.

use jiff::Timestamp;

use crate::{
    commands::moment::Moment,
    ledger::{LetterFilter, LetterState},
};

/// Conditions on dead letters; all that are given hold.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct FilterArgs {
    /// In this state: open, replayed, discarded; several with commas
    #[arg(long, value_delimiter = ',')]
    pub state: Vec<LetterState>,
    /// For this reason (not-json, sealed-unknown-key, …); several with commas
    #[arg(long, value_delimiter = ',')]
    pub reason: Vec<String>,
    /// Of events of this type; several with commas
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    pub event_type: Vec<String>,
    /// Of this event
    #[arg(long, value_name = "EVENT_ID")]
    pub event: Option<String>,
    /// First seen at this time or later: RFC 3339, or how long ago, such as 2h
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,
    /// First seen before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
}

impl FilterArgs {
    /// Whether any condition is given.
    pub(super) fn any(&self) -> bool {
        *self != Self::default()
    }

    /// What is meant at `now`.
    pub(super) fn at(&self, now: Timestamp) -> LetterFilter {
        LetterFilter {
            states: self.state.clone(),
            reasons: self.reason.clone(),
            types: self.event_type.clone(),
            event: self.event.clone(),
            since: self.since.map(|moment| moment.at(now)),
            until: self.until.map(|moment| moment.at(now)),
        }
    }
}
