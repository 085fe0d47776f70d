//! Ledger and fence against a real MongoDB and an SMTP server that misbehaves.

mod delivery;
mod fence;
mod ledger;
mod many_senders;
mod replies;
mod setup;
