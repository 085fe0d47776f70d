//! `mail list|show|requeue|resolve`: the state of each mail, and what operators can do about it.

mod change;
mod show;

use std::path::Path;

use clap::Subcommand;

use super::{ListArgs, Stores};
use crate::ledger::MailFilter;

/// The commands on mails.
#[derive(Debug, Subcommand)]
pub enum MailCommand {
    /// List the mails of the newest events
    List(ListArgs<MailFilter>),
    /// Show one mail, with its history
    Show {
        /// The id, as in `mail list`: <event id>/<template>
        id: String,
    },
    /// Put mails back into the queue: they are sent as soon as a sender is free
    ///
    /// Possible for failed, suppressed and discarded mails; for unknown ones, which may then arrive
    /// twice (same Message-ID); for queued ones that wait for their next attempt. Only with
    /// --again: sent mails, and those that were discarded while unknown. Never: a mail that a
    /// sender holds, one whose link has expired, one whose address is suppressed (`suppressions
    /// remove` it first).
    ///
    /// A mail that changes between the read and the write is not changed. Exit code 1 if any of the
    /// selected mails is not changed; each is named with the reason.
    #[command(after_long_help = REQUEUE_EXAMPLES)]
    Requeue(change::RequeueArgs),
    /// Resolve mails when it is unknown whether the server accepted them
    ///
    /// Look into the mail server's log for the Message-ID (`mail show`). If there is a 250: --as
    /// sent. If there is no trace of it: --as failed, or put it back with `mail requeue`. If the
    /// mail is not needed: --as discarded, which also removes queued mails.
    #[command(after_long_help = RESOLVE_EXAMPLES)]
    Resolve(change::ResolveArgs),
}

const REQUEUE_EXAMPLES: &str = "Examples:
  email-service mail requeue 0199f0c2-…/welcome --note 'relay repaired'
  email-service mail requeue --state failed --since 2h --dry-run
  email-service mail requeue --state failed,unknown --template password-reset --yes
  email-service mail requeue --state queued --yes      # the mail server is back: do not wait for the next attempt";

const RESOLVE_EXAMPLES: &str = "Examples:
  email-service mail resolve 0199f0c2-…/goodbye --as sent --note '250 in the relay log at 02:14'
  email-service mail resolve --state unknown --since 2h --as failed --dry-run
  email-service mail resolve --state queued --to ada@example.org --as discarded";

/// Runs the command.
///
/// # Errors
/// Returns an error if it fails for one of the selected mails.
pub async fn run(file: Option<&Path>, command: MailCommand, json: bool) -> anyhow::Result<()> {
    let stores = Stores::open(file).await?;
    match command {
        MailCommand::List(args) => show::list(&stores, &args, json).await,
        MailCommand::Show { id } => show::show(&stores, &id, json).await,
        MailCommand::Requeue(args) => change::requeue(&stores, &args, json).await,
        MailCommand::Resolve(args) => change::resolve(&stores, args, json).await,
    }
}
