//! MongoDB as both services use it: a client with the services' guarantees, a deadline for every
//! operation, errors that are safe to log, indexes from one list.

mod client;
mod error;
mod indexes;
mod request_budget;
mod retry;
mod worker_clients;

pub use client::{MongoConfigError, client, monitor, with_deadline};
pub use error::{Cause, StoreError, duplicate_positions};
pub use indexes::{IndexError, IndexSpec, create_indexes, ensure_indexes};
pub use request_budget::{RequestBudget, with_request_budget};
pub use retry::retry_while_unavailable;
pub use worker_clients::{WorkerClients, WorkerCollection};
