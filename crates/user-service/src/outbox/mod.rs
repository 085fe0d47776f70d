//! Builds the events of the changes of an account.

mod event_builder;

pub use event_builder::{Actor, EventBuilder, Origin, roles_changed, sessions_ended, totp_disabled};
