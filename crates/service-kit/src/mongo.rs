//! MongoDB as both services use it: one client with our guarantees, every operation
//! under a deadline, errors that are safe to log, indexes from one list.

mod budget;
mod client;
mod error;
mod indexes;
mod per_worker;

pub use budget::{RequestBudget, with_request_budget};
pub use client::{MongoConfigError, client, watch, within};
pub use error::{Cause, StoreError, duplicates_in};
pub use indexes::{IndexError, IndexSpec, ensure_indexes};
pub use per_worker::{CollectionHere, WorkerClients};
