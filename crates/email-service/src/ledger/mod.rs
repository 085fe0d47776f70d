//! MongoDB: the only place that knows collections, documents and filters.
//!
//! Every write is acknowledged by a majority and journaled (set on the client). Leases,
//! waits and expiry are compared by the server's clock (`$$NOW`), never by this host's.

pub mod dead_letter;
pub mod dead_letters;
pub mod filters;
pub mod indexes;
pub mod inserted;
#[expect(clippy::module_inception, reason = "the operations of the ledger are the ledger")]
pub mod ledger;
pub mod mail_job;
mod orders;
mod selection;
pub mod states;
mod step;
pub mod suppressions;

pub use dead_letter::{DeadLetter, LetterState, Record};
pub use dead_letters::{DeadLetters, LetterFilter};
pub use inserted::Inserted;
pub use ledger::{Ledger, Listed};
pub use mail_job::{MailJob, NewMail, SealedLink};
pub use orders::{Carried, Order, Refused, Seen};
pub use selection::MailFilter;
pub use states::State;
pub use suppressions::{Suppression, Suppressions};

/// The collection of the small document that `/readyz` writes.
pub const READINESS: &str = "readiness";

/// The version of every document's shape.
pub const SCHEMA_VERSION: i32 = 1;
