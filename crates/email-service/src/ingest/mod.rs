//! From the topic to the ledger: a record's mails are stored, or the record becomes a dead letter,
//! and only then its offset is committed.

pub mod batch;
pub mod client;
pub mod consumer;
pub mod decision;
pub mod lag;
pub mod offsets;
pub mod replay;
