//! `dead-letters list|show|replay|discard`: records that could not be processed.

mod change;
mod show;

use std::path::Path;

use clap::Subcommand;

use super::{ListArgs, Stores, operator_change::ChangeArgs};
use crate::ledger::DeadLetterFilter;

/// The commands on dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// List the newest dead letters
    List(ListArgs<DeadLetterFilter>),
    /// Show one dead letter, with the record's contents and its history
    Show {
        /// The id, as in `dead-letters list`
        id: String,
    },
    /// Process records again, after the cause has been repaired
    ///
    /// The record is decided as if it was read from the topic now: its mails go into the ledger and
    /// the letter is `replayed`, or it stays open with the newest reason. The mails of an event
    /// that are in the ledger already are not sent again; an event older than mail.max_event_age is
    /// recorded as expired. Needs the whole configuration and the sealing keys: run it where the
    /// service runs. Filters select open letters, unless --state says otherwise.
    ///
    /// Exit code 1 if any of the selected letters is not changed.
    #[command(after_long_help = REPLAY_EXAMPLES)]
    Replay(ChangeArgs<DeadLetterFilter>),
    /// Decide not to process records; they are kept for `ledger.retention`
    #[command(after_long_help = DISCARD_EXAMPLES)]
    Discard(ChangeArgs<DeadLetterFilter>),
}

const REPLAY_EXAMPLES: &str = "Examples:
  email-service dead-letters replay --reason sealed-unknown-key --dry-run
  email-service dead-letters replay --reason unsupported-version --yes --note 'upgraded to 1.4'";

const DISCARD_EXAMPLES: &str = "Examples:
  email-service dead-letters discard 7f0c… --note 'a test of the load team'
  email-service dead-letters discard --reason not-json --since 1d --yes";

/// Runs the command.
///
/// # Errors
/// Returns an error if it fails for one of the selected letters.
pub async fn run(file: Option<&Path>, command: DeadLettersCommand, json: bool) -> anyhow::Result<()> {
    let stores = Stores::open(file).await?;
    match command {
        DeadLettersCommand::List(args) => show::list(&stores, &args, json).await,
        DeadLettersCommand::Show { id } => show::show(&stores, &id, json).await,
        DeadLettersCommand::Replay(args) => change::replay(&stores, file, args, json).await,
        DeadLettersCommand::Discard(args) => change::discard(&stores, args, json).await,
    }
}
