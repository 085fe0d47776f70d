//! Sends mails from the ledger to the mail server, each once.

mod compose;
pub mod delivery;
pub mod dispatcher;
mod outcome;
pub mod recovery;
pub mod send_tasks;
