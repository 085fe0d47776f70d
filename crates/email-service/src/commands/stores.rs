//! The stores that the commands work on, and the name of the operator who runs them.

use std::{env, fs, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use mongodb::Database;
use service_kit::{
    Clock,
    config::{ConfigError, MongoConfig},
    mongo,
};

use crate::{
    config::SOURCE,
    ledger::{DeadLetterStore, Ledger, Suppressions},
};

/// The minimum deadline of an operation: commands may read much, and no client waits.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The stores, the clock, and the operator's name.
pub(super) struct Stores {
    pub(super) ledger: Ledger,
    pub(super) letters: DeadLetterStore,
    pub(super) suppressions: Suppressions,
    pub(super) clock: Clock,
    /// The operator's name in histories.
    pub(super) operator: String,
}

impl Stores {
    /// Opens the stores. Only `[mongodb]` of the configuration is read.
    ///
    /// # Errors
    /// Returns an error if the configuration or the URI is invalid.
    pub(super) async fn open(file: Option<&Path>) -> anyhow::Result<Self> {
        let config = mongodb_config(file)?;
        let client = mongo::client(&config, "email-service").await?;
        let database: Database = client.database(&config.database);
        let deadline = config.operation_timeout.max(OPERATION_TIMEOUT);
        let operator = operator_name();
        Ok(Self {
            ledger: Ledger::new(&database, deadline, operator.clone()),
            letters: DeadLetterStore::new(&database, deadline),
            suppressions: Suppressions::new(&database, deadline),
            clock: Clock::system(),
            operator,
        })
    }
}

fn mongodb_config(file: Option<&Path>) -> Result<MongoConfig, ConfigError> {
    /// The other sections may be invalid, or their secrets unreadable here.
    #[derive(serde::Deserialize)]
    struct OnlyMongo {
        mongodb: MongoConfig,
    }
    SOURCE.load::<OnlyMongo>(file).map(|config| config.mongodb)
}

const MAX_NAME_PART: usize = 64;

/// Returns the name of the operator for histories: `operator <login>@<host>`. It comes from the
/// environment, so it is information and no proof.
fn operator_name() -> String {
    let variables = ["SUDO_USER", "LOGNAME", "USER"].into_iter();
    let login = variables.filter_map(|name| env::var(name).ok()).find(|login| !login.is_empty());
    let login = login.unwrap_or_else(|| {
        // A container has no logins.
        fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |process| format!("uid-{}", process.uid()))
    });
    format_operator_name(&login, &fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default())
}

fn format_operator_name(login: &str, host: &str) -> String {
    let plain =
        |text: &str| -> String { text.trim().chars().filter(char::is_ascii_graphic).take(MAX_NAME_PART).collect() };
    format!("operator {}@{}", plain(login), plain(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_name_is_short_and_printable() {
        assert_eq!(format_operator_name("ada", "mail-1\n"), "operator ada@mail-1");
        assert_eq!(format_operator_name("a d\u{1b}[2Ja", "h"), "operator ad[2Ja@h");
        assert!(format_operator_name(&"x".repeat(9_000), &"y".repeat(9_000)).len() < 150);
    }

    #[test]
    fn the_operator_has_a_name() {
        assert!(operator_name().starts_with("operator ") && operator_name().contains('@'));
    }
}
