//! What an account's change says to the world: facts become events here.

mod event_builder;

pub use event_builder::{Actor, Origin, Outbox, roles_changed, sessions_ended, totp_disabled};
