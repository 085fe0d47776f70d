//! From the topic to the ledger: a record's mails are stored, or the record becomes a dead letter,
//! and only then its offset is committed. The crate `event-consumer` reads the topic; here is what
//! is about mails.

pub mod decision;
pub mod handler;
pub mod mail_writer;
pub mod replay;
