//! What a service does at the least, by programs that do nothing else; those that more than one
//! group of rows needs.

pub(crate) mod argon2_reference;
pub(crate) mod ledger;
pub(crate) mod smtp;
