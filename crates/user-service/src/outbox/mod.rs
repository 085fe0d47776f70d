//! From a change to its event: builds the pending events, with the origin of the request, and the states of users.

mod event_builder;
mod origin;
mod state;

pub use event_builder::{EventBuilder, event};
pub use origin::{Actor, Origin};
pub use state::user_state;
