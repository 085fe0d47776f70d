//! The relay publishes every pending event to the topic, in order, and removes it from its
//! user's outbox: on a fast path right after the write, and by a sweep for all that the fast
//! path did not publish. If the topic of states is on, an entry is removed only after the user's state is in
//! that topic too.
//!
//! ```text
//! write ──offer──▶ dispatcher ──▶ publisher ──▶ producer ──ack──▶ outbox_ack ──▶ MongoDB
//! sweeper ───────────▲      (one per user)
//! ```

mod dispatcher;
mod gather_window;
mod outbox_ack;
mod producer;
mod publisher;
mod state_publisher;
mod sweeper;
mod task_messages;
mod topic_watch;

pub use dispatcher::{Relay, RelaySettings};
pub use producer::PRODUCER_PROPERTIES;
