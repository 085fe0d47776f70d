//! The command line: one file for each command except `serve`.

mod cli;
mod clients;
mod events;
mod grant_role;
mod keygen;
mod keys;
mod snapshot;
mod users;

use mongodb::Database;
use service_kit::mongo;

use crate::{config::Config, store::Store};

pub use cli::{Cli, run};

/// Opens the database of the service for a command.
async fn open_store(config: &Config) -> anyhow::Result<(Database, Store)> {
    let client = mongo::client(&config.mongodb, "user-service").await?;
    let database = client.database(&config.mongodb.database);
    let store = Store::new(&database, config.mongodb.operation_timeout, config.relay.max_pending_per_user);
    Ok((database, store))
}
