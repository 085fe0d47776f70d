//! `users import|export|remove-second-factor`: the import and export of all users, and an operator's action on one of
//! them.

mod export;
mod import;
mod remove_second_factor;
mod report;

use std::{io::IsTerminal as _, path::PathBuf};

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use service_kit::mongo;

use crate::{config::Config, store::Store};

/// The commands for users.
#[derive(Subcommand)]
pub(super) enum UsersCommand {
    /// Makes accounts of the lines of a file, each a JSON object (docs/ACCOUNTS.md)
    ///
    /// An import that was killed goes on where it was: type the same command again. Exit
    /// code 1 if a line was refused; all others are imported then.
    Import {
        /// The file; `-` is standard input, of which an import cannot go on
        file: PathBuf,
        /// Check everything, also against the accounts that are there, and write nothing
        #[arg(long)]
        dry_run: bool,
        /// Everybody who is imported gets a welcome mail
        #[arg(long)]
        welcome: bool,
        /// Take lines with the role `admin`
        #[arg(long)]
        admins: bool,
        /// Go through a file that was finished before once more: who is there stays as they
        /// are, who was refused is tried again, and who was deleted since comes back
        #[arg(long)]
        again: bool,
        /// Gets one JSON object for each refused line: its number and all that is wrong with it
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// Writes all users as JSON lines that can be imported elsewhere
    ///
    /// With the hashes of their passwords, unless told otherwise; second factors, sessions
    /// and the audit log stay behind.
    Export {
        /// A new file, readable by its owner only; standard output otherwise
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Nobody can log in with their password where such a file is imported
        #[arg(long)]
        without_hashes: bool,
    },
    /// Turns an account's second factor off and ends its sessions
    ///
    /// For a user who has lost both device and recovery codes. The user gets a notice.
    RemoveSecondFactor {
        /// The account's current email address, or its id
        #[arg(value_name = "EMAIL_OR_ID")]
        account: String,
        /// Why, in one line of at most 500 characters; the account's audit log keeps it
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub(super) async fn run(config: &Config, command: UsersCommand, json: bool) -> anyhow::Result<()> {
    let client = mongo::client(&config.mongodb, "user-service").await?;
    let database = client.database(&config.mongodb.database);
    let store = Store::new(&database, config.mongodb.operation_timeout, config.relay.max_pending_per_user);
    match command {
        UsersCommand::Import { file, dry_run, welcome, admins, again, report } => {
            let args = import::ImportArgs { file, dry_run, welcome, admins, again, report, json };
            import::run(config, &database, store, args).await
        }
        UsersCommand::Export { out, without_hashes } => {
            export::run(&store, out.as_deref(), !without_hashes, json).await
        }
        UsersCommand::RemoveSecondFactor { account, reason } => {
            remove_second_factor::run(&store, &account, &reason, json).await
        }
    }
}

/// Returns a progress bar, or a counter if the length is unknown. Nothing is drawn if standard error is no terminal.
fn progress_bar(length: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    match length {
        Some(length) => ProgressBar::new(length).with_style(style("[{elapsed}] {bar:40} {percent}% {msg} (eta {eta})")),
        None => ProgressBar::new_spinner().with_style(style("[{elapsed}] {spinner} {msg}")),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is well-formed")
}
