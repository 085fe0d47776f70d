//! `users import|export|remove-second-factor`: the import and export of all users, and an operator's action on one of
//! them.

mod export;
mod import;
mod remove_second_factor;
mod report;

use std::{io::IsTerminal as _, path::PathBuf};

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};

use super::open_store;
use crate::config::Config;

/// The commands for users.
#[derive(Subcommand)]
pub(super) enum UsersCommand {
    /// Import accounts from JSON lines (docs/ACCOUNTS.md) or from the export of another system (docs/IMPORT.md)
    ///
    /// To continue an import that was killed, run the same command again. If lines were refused, all others are
    /// imported and the exit code is 1.
    Import(import::ImportArgs),
    /// Export all users as JSON lines that can be imported elsewhere
    ///
    /// The hashes of the passwords are included by default. Second factors, sessions and the audit log are not
    /// exported.
    Export {
        /// Write to this new file, which only its owner may read, instead of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Export no password hashes; users cannot sign in with their passwords where such a file is imported
        #[arg(long)]
        without_hashes: bool,
    },
    /// Turn off the second factor of an account and end its sessions
    ///
    /// This is for a user who has lost both the device and the recovery codes. The user gets a notice.
    RemoveSecondFactor {
        /// Turn it off for the account with this current email address or id
        #[arg(value_name = "EMAIL_OR_ID")]
        account: String,
        /// Record this reason, one line of at most 500 characters; the audit log of the account keeps it
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub(super) async fn run(config: &Config, command: UsersCommand, json: bool) -> anyhow::Result<()> {
    let (database, store) = open_store(config).await?;
    match command {
        UsersCommand::Import(args) => import::run(config, &database, store, args, json).await,
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
