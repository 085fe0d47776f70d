//! From the ledger to the mail server, once.

pub mod dispatcher;
pub mod fence;
pub mod recovery;
