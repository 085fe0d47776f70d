//! MongoDB as both services use it: a client with the services' guarantees, a deadline for every
//! operation, errors that are safe to log, indexes from one list.

mod client;
mod error;
mod indexes;
mod large_integers;
mod repeatable;
mod request_budget;
mod retry;
mod worker_clients;

use mongodb::Database;

use crate::{Check, Lifecycle, Stage};

pub use client::{MongoConfigError, client, monitor, with_deadline};
pub use error::{Cause, StoreError, duplicate_positions};
pub use indexes::{IndexError, IndexSpec, create_indexes, ensure_indexes};
pub use large_integers::round_large_integers;
pub use repeatable::{RepeatableUpdate, stages};
pub use request_budget::{RequestBudget, with_request_budget};
pub use retry::retry_while_unavailable;
pub use worker_clients::{WorkerClients, WorkerCollection};

/// Starts a task of [`Stage::Support`] that creates the indexes, and keeps `check` up to date by writing to the
/// collection `probe`.
pub fn maintain(database: Database, probe: &'static str, indexes: Vec<IndexSpec>, check: Check, lifecycle: &Lifecycle) {
    lifecycle.spawn(Stage::Support, "mongodb", |stop| async move {
        let probe = database.collection(probe);
        tokio::join!(monitor(probe, check, stop.clone()), create_indexes(&database, &indexes, &stop));
    });
}
