//! What the binary does beside serving.

pub mod act;
pub mod dead_letters;
pub mod keygen;
pub mod mail;
pub mod moment;
mod operator;
pub mod preview;
pub mod suppressions;

use std::{
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

use mongodb::Database;
use service_kit::{
    Clock,
    config::{ConfigError, MongoConfig},
    mongo,
};

use crate::{
    config::SOURCE,
    ledger::{DeadLetters, Ledger, Suppressions},
};

/// Nobody waits for a command as a client waits for an answer: it may read much.
const PATIENCE: Duration = Duration::from_secs(30);

/// The stores that the commands work on.
pub struct Stores {
    pub ledger: Ledger,
    pub letters: DeadLetters,
    pub suppressions: Suppressions,
    pub clock: Clock,
    /// What histories call whoever runs the command.
    pub operator: String,
}

impl Stores {
    /// Only `[mongodb]` of the configuration matters.
    ///
    /// # Errors
    /// If the configuration or the URI is not usable.
    pub async fn open(file: Option<&Path>) -> anyhow::Result<Self> {
        let config = mongodb(file)?;
        let client = mongo::client(&config, "email-service").await?;
        let database: Database = client.database(&config.database);
        let deadline = config.operation_timeout.max(PATIENCE);
        let operator = operator::name();
        Ok(Self {
            ledger: Ledger::new(&database, deadline, operator.clone()),
            letters: DeadLetters::new(&database, deadline),
            suppressions: Suppressions::new(&database, deadline),
            clock: Clock::system(),
            operator,
        })
    }
}

fn mongodb(file: Option<&Path>) -> Result<MongoConfig, ConfigError> {
    /// The rest may be wrong, or its secrets unreadable here.
    #[derive(serde::Deserialize)]
    struct OnlyMongo {
        mongodb: MongoConfig,
    }
    SOURCE.load::<OnlyMongo>(file).map(|config| config.mongodb)
}

/// Writes a line to standard output. A reader that has gone (`| head`) ends the command.
///
/// # Errors
/// If it cannot be written.
pub fn line(text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// A table for people: columns as wide as they need to be, the last one as long as it is.
///
/// # Errors
/// If it cannot be written.
pub fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut out = io::stdout().lock();
    for row in std::iter::once(header.map(str::to_owned)).chain(rows.iter().cloned()) {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}
