//! Which mails a command means, as it is typed.

use jiff::Timestamp;

use crate::{
    commands::moment::Moment,
    ledger::{MailFilter, State},
    plan::Template,
};

/// Conditions on mails; all that are given hold.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct FilterArgs {
    /// In this state; several with commas
    #[arg(long, value_delimiter = ',')]
    pub state: Vec<State>,
    /// Of this kind (welcome, password-reset, …); several with commas
    #[arg(long, value_delimiter = ',')]
    pub template: Vec<Template>,
    /// Caused by this user
    #[arg(long, value_name = "USER_ID")]
    pub user: Option<String>,
    /// To this address, in upper or lower case
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<String>,
    /// Caused by this event
    #[arg(long, value_name = "EVENT_ID")]
    pub event: Option<String>,
    /// Whose event happened at this time or later: RFC 3339, or how long ago, such as 2h
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,
    /// Whose event happened before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
}

impl FilterArgs {
    /// Whether any condition is given.
    pub(super) fn any(&self) -> bool {
        *self != Self::default()
    }

    /// What is meant at `now`.
    pub(super) fn at(&self, now: Timestamp) -> MailFilter {
        MailFilter {
            states: self.state.clone(),
            templates: self.template.clone(),
            user: self.user.clone(),
            to: self.to.as_ref().map(|address| address.trim().to_owned()),
            event: self.event.clone(),
            since: self.since.map(|moment| moment.at(now)),
            until: self.until.map(|moment| moment.at(now)),
        }
    }
}
