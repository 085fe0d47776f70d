//! Builds the events of the changes of an account.

mod event_builder;
mod origin;

pub use event_builder::{EventBuilder, roles_changed, sessions_ended, totp_disabled};
pub use origin::{Actor, Origin};
