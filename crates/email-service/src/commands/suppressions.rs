//! `suppressions list|remove`: addresses that refused mail permanently, and get none for 30 days.

use std::path::Path;

use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;

use super::{Stores, change_report::ChangeReport, print_rows, to_the_second};
use crate::{ledger::Suppression, mailer::reply::printable};

/// The commands on suppressed addresses.
#[derive(Debug, Subcommand)]
pub enum SuppressionsCommand {
    /// List the suppressed addresses, the newest first
    List {
        /// Only this address, in upper or lower case
        #[arg(long, value_name = "ADDRESS")]
        to: Option<String>,
        /// The maximum number of rows
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Remove suppressions: the addresses get mail again
    ///
    /// This applies from the next event on. A mail that was suppressed meanwhile stays so: `mail
    /// requeue --state suppressed --to ADDRESS` sends it.
    Remove {
        /// In upper or lower case
        #[arg(value_name = "ADDRESS", required = true)]
        addresses: Vec<String>,
        /// Say what would happen, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// A suppression in the JSON output.
#[derive(Debug, Serialize)]
struct SuppressionJson<'a> {
    address: &'a str,
    reply: &'a str,
    mail: &'a str,
    at: Timestamp,
    until: Timestamp,
}

impl<'a> From<&'a Suppression> for SuppressionJson<'a> {
    fn from(Suppression { address, reply, mail, at, until }: &'a Suppression) -> Self {
        Self { address, reply, mail, at: *at, until: *until }
    }
}

/// Runs the command.
///
/// # Errors
/// Returns an error if the database does not answer, or an address was not suppressed.
pub async fn run(file: Option<&Path>, command: SuppressionsCommand, json: bool) -> anyhow::Result<()> {
    let stores = Stores::open(file).await?;
    match command {
        SuppressionsCommand::List { to, limit } => list(&stores, to.as_deref(), limit, json).await,
        SuppressionsCommand::Remove { addresses, dry_run } => remove(&stores, &addresses, dry_run, json).await,
    }
}

async fn list(stores: &Stores, to: Option<&str>, limit: u32, json: bool) -> anyhow::Result<()> {
    let rows = stores.suppressions.list(to, i64::from(limit)).await?;
    Ok(print_rows(&rows, json, SuppressionJson::from, ["ADDRESS", "SINCE", "UNTIL", "MAIL", "REPLY"], |row| {
        let Suppression { address, reply, mail, at, until } = row;
        [printable(address), to_the_second(*at), to_the_second(*until), mail.clone(), printable(reply)]
    })?)
}

async fn remove(stores: &Stores, addresses: &[String], dry_run: bool, json: bool) -> anyhow::Result<()> {
    let mut report = ChangeReport::default();
    for address in addresses {
        let exists = if dry_run {
            !stores.suppressions.list(Some(address), 1).await?.is_empty()
        } else {
            stores.suppressions.remove(address).await?
        };
        if exists {
            report.done(dry_run, address, (Some("suppressed"), None), None);
        } else {
            report.unchanged(address, None, "it is not suppressed");
        }
    }
    report.print(json)
}
