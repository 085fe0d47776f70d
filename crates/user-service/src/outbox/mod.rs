//! What an account's change says to the world: facts become events here.

mod messages;

pub use messages::{Actor, Origin, Outbox, roles_changed, sessions_ended, totp_disabled};
