//! The groups of rows, in the order of the table.

mod footprint;
mod growth;
mod hashing;
mod ingest;
mod latency;
mod mail_latency;
mod passwords;
mod processor;
mod reads;
mod refresh;
mod registered_users;
mod relay;
mod sending;
mod signing;
mod states;

use std::fmt;

use anyhow::Result;
use clap::ValueEnum;

use crate::{environment::Environment, report::Findings};

/// A group of rows that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// Hashes per second, without a service.
    Hashing,
    /// Registrations and logins, saturated and overloaded.
    Passwords,
    /// Logins with each signing algorithm of access tokens.
    Signing,
    /// Logins at fractions and multiples of the saturating load.
    Latency,
    /// Reads of the user's own account, saturated and beside logins.
    Reads,
    /// Refreshes of sessions, saturated.
    Refresh,
    /// Publishing of events that waited for Kafka.
    Relay,
    /// The cost of the topic of states.
    States,
    /// From the response to a registration to the accepted mail.
    MailLatency,
    /// From the ledger to the mail server.
    Sending,
    /// From the topic to the ledger.
    Ingest,
    /// Memory, start time, and size.
    Footprint,
    /// The cost of requests with a growing number of users.
    Growth,
    /// The space and the cache that a large database needs, and the background work; only with `--growth` or by name.
    Scale,
    /// The export of all users of a large database; only with `--growth` or by name.
    Export,
    /// The processor time of a request, by purpose.
    Processor,
}

impl Group {
    pub(crate) async fn measure(self, environment: &Environment) -> Result<Findings> {
        match self {
            Self::Hashing => hashing::measure(environment),
            Self::Passwords => passwords::measure(environment).await,
            Self::Signing => signing::measure(environment).await,
            Self::Latency => latency::measure(environment).await,
            Self::Reads => reads::measure(environment).await,
            Self::Refresh => refresh::measure(environment).await,
            Self::Relay => relay::measure(environment).await,
            Self::States => states::measure(environment).await,
            Self::MailLatency => mail_latency::measure(environment).await,
            Self::Sending => sending::measure(environment).await,
            Self::Ingest => ingest::measure(environment).await,
            Self::Footprint => footprint::measure(environment).await,
            Self::Growth => growth::measure(environment).await,
            Self::Scale => growth::measure_scale(environment).await,
            Self::Export => growth::measure_export(environment).await,
            Self::Processor => processor::measure(environment).await,
        }
    }
}

/// Returns the selected groups. Without a selection, these are all except for those of a large database, or only
/// those that need it if `growth` is set.
pub(crate) fn selected(only: &[Group], growth: bool) -> Vec<Group> {
    let is_selected = |group: &Group| match (only, group) {
        ([], Group::Growth) => true,
        ([], Group::Scale | Group::Export) => growth,
        ([], _) => !growth,
        (only, group) => only.contains(group),
    };
    Group::value_variants().iter().copied().filter(is_selected).collect()
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}
