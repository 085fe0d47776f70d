//! `dead-letters list|show|replay|discard`: records that could not be processed.

pub mod change;
pub mod show;

use std::path::Path;

use clap::Subcommand;

use super::Stores;

/// What can be done with dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// The newest dead letters
    List(show::ListArgs),
    /// One dead letter, with the record's contents and its history
    Show {
        /// As `dead-letters list` shows it
        id: String,
    },
    /// Let records through the door again, after what was wrong has been mended
    ///
    /// The record is decided as if it was read from the topic now: its mails go into the ledger
    /// and the letter is `replayed`, or it stays open with the newest reason. An event that was
    /// mailed before is known by its id and mails nobody again; one older than mail.max_event_age
    /// is written down as expired. Needs the whole configuration and the sealing keys: run it
    /// where the service runs. Filters mean open letters, unless --state says otherwise.
    ///
    /// Exit code 1 if any of the letters that were meant stays as it is.
    #[command(after_long_help = REPLAY_EXAMPLES)]
    Replay(change::DeadLetterChangeArgs),
    /// Decide that records are not to be processed; they are kept for `ledger.retention`
    #[command(after_long_help = DISCARD_EXAMPLES)]
    Discard(change::DeadLetterChangeArgs),
}

const REPLAY_EXAMPLES: &str = "Examples:
  email-service dead-letters replay --reason sealed-unknown-key --dry-run
  email-service dead-letters replay --reason unsupported-version --yes --note 'upgraded to 1.4'";

const DISCARD_EXAMPLES: &str = "Examples:
  email-service dead-letters discard 7f0c… --note 'a test of the load team'
  email-service dead-letters discard --reason not-json --since 1d --yes";

/// Does it.
///
/// # Errors
/// If it cannot be done, or not to all letters that were meant.
pub async fn run(file: Option<&Path>, command: DeadLettersCommand, json: bool) -> anyhow::Result<()> {
    let stores = Stores::open(file).await?;
    match command {
        DeadLettersCommand::List(args) => show::list(&stores, &args, json).await,
        DeadLettersCommand::Show { id } => show::show(&stores, &id, json).await,
        DeadLettersCommand::Replay(args) => change::replay(&stores, file, &args, json).await,
        DeadLettersCommand::Discard(args) => change::discard(&stores, &args, json).await,
    }
}
