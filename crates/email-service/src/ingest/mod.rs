//! From the topic to the ledger: each record's mails are written down, or the record is a
//! dead letter, and only then does its offset count as read.

pub mod batch;
pub mod client;
pub mod consumer;
pub mod decision;
pub mod lag;
pub mod offsets;
pub mod replay;
