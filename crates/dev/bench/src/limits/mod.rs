//! Limits that more than one group of rows uses: the minimal work of a service, done by programs without anything
//! else.

pub(crate) mod argon2_reference;
pub(crate) mod ledger;
pub(crate) mod smtp;
