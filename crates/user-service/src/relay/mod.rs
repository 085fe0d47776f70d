//! The relay: brings every pending event into the topic, in order, and takes it off
//! its user's list. A fast path right after the write, and a sweep for what was left.
//!
//! ```text
//! write ──offer──▶ dispatcher ──one user at a time──▶ producer ──ack──▶ settler ──▶ MongoDB
//! sweeper ───────────▲
//! ```

mod dispatcher;
mod outbox_ack;
mod producer;
mod publisher;
mod sweeper;
mod topic_watch;
mod work;

pub use dispatcher::{Relay, RelaySettings};
pub use producer::PRODUCER_PROPERTIES;
pub use topic_watch::TopicState;
