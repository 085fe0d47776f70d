//! `mail list|show|requeue|resolve`: what became of each mail, and what to do about it.

pub mod change;
pub mod show;

use std::path::Path;

use clap::Subcommand;

use super::Stores;

/// What can be done with mails.
#[derive(Debug, Subcommand)]
pub enum MailCommand {
    /// The mails of the newest events
    List(show::ListArgs),
    /// One mail, with its history
    Show {
        /// As `mail list` shows it: <event id>/<template>
        id: String,
    },
    /// Put mails back into the queue: they are sent as soon as a sender is free
    ///
    /// Which: failed, suppressed and discarded ones; unknown ones, which may then arrive twice
    /// (same Message-ID); queued ones that wait for their next try. Only with --again: sent ones,
    /// and those that were discarded while unknown. Never: one that a sender holds, one whose link
    /// has expired, one whose address is suppressed (`suppressions remove` it first).
    ///
    /// A mail that changes between the look and the write is left alone. Exit code 1 if any of
    /// the mails that were meant stays as it is; each is named with the reason.
    #[command(after_long_help = REQUEUE_EXAMPLES)]
    Requeue(change::RequeueArgs),
    /// Decide mails of which nobody knows whether the server took them
    ///
    /// Look into the mail server's log for the Message-ID (`mail show`). A 250: --as sent. No trace
    /// of it: --as failed, or put it back with `mail requeue`. Not worth either: --as discarded,
    /// which also takes mails out of the queue.
    #[command(after_long_help = RESOLVE_EXAMPLES)]
    Resolve(change::ResolveArgs),
}

const REQUEUE_EXAMPLES: &str = "Examples:
  email-service mail requeue 0199f0c2-…/welcome --note 'relay mended'
  email-service mail requeue --state failed --since 2h --dry-run
  email-service mail requeue --state failed,unknown --template password-reset --yes
  email-service mail requeue --state queued --yes      # the mail server is back: do not wait for the back-off";

const RESOLVE_EXAMPLES: &str = "Examples:
  email-service mail resolve 0199f0c2-…/goodbye --as sent --note '250 in the relay log at 02:14'
  email-service mail resolve --state unknown --since 2h --as failed --dry-run
  email-service mail resolve --state queued --to ada@example.org --as discarded";

/// Does it.
///
/// # Errors
/// If it cannot be done, or not to all mails that were meant.
pub async fn run(file: Option<&Path>, command: MailCommand, json: bool) -> anyhow::Result<()> {
    let stores = Stores::open(file).await?;
    match command {
        MailCommand::List(args) => show::list(&stores, &args, json).await,
        MailCommand::Show { id } => show::show(&stores, &id, json).await,
        MailCommand::Requeue(args) => change::requeue(&stores, &args, json).await,
        MailCommand::Resolve(args) => change::resolve(&stores, &args, json).await,
    }
}
