//! MongoDB: the only place that knows collections, documents and filters.
//!
//! Every write is acknowledged by a majority and journaled (set on the client). Leases, waits and
//! expiry are compared by the server's clock (`$$NOW`), never by this host's.

pub mod claims;
pub mod dead_letter;
pub mod dead_letter_store;
pub mod filter;
pub mod filter_time;
pub mod indexes;
pub mod insert_result;
pub mod mail_job;
mod operator_actions;
mod queries;
pub mod states;
mod suppression_filter;
pub mod suppressions;
mod transition;

pub use claims::Ledger;
pub use dead_letter::DeadLetter;
pub use dead_letter_store::DeadLetterStore;
pub use filter::{DeadLetterFilter, MailFilter};
pub use insert_result::InsertResult;
pub use mail_job::{MailJob, NewMail};
pub use operator_actions::{ActionRefusal, ActionResult, MailSnapshot, OperatorAction};
pub use queries::MailList;
pub use states::{DeadLetterState, State};
pub use suppressions::{Suppression, Suppressions};

/// The collection of the small document that `/readyz` writes.
pub const READINESS: &str = "readiness";

/// The version of the structure of all documents.
pub const SCHEMA_VERSION: i32 = 1;
