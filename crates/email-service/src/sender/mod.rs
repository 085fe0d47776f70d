//! From the ledger to the mail server, once.

mod compose;
pub mod delivery;
pub mod dispatcher;
mod outcome;
pub mod recovery;
