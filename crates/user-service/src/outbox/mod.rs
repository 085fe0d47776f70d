//! From a change to its event: builds the pending events, with the origin of the request.

mod event_builder;
mod origin;

pub use event_builder::{EventBuilder, event};
pub use origin::{Actor, Origin};
