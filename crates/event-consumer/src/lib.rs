//! What every consumer of a topic of this contract needs. A service that reads `user.events` or
//! `user.state` provides a [`Handler`], which decides on typed records and makes batches of
//! decisions durable; this crate does the rest.
//!
//! It promises **at-least-once**: the offset of a record is stored after its effect. So records are
//! repeated after a crash, a rebalance, or a repeat in the topic itself, and the effect must be
//! idempotent by `ce_sequence`.
//!
//! # Example: a row per user
//!
//! A service that keeps a copy of each user in MongoDB, from the topic of states:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use bson::{Document, doc};
//! use event_consumer::{Consumer, Decided, Handler, LogOnly, Rejection, Settings, newest_per_user};
//! use events::StateRecord;
//! use jiff::Timestamp;
//! use mongodb::Collection;
//! use service_kit::{
//!     Check, Clock, Lifecycle,
//!     mongo::{StoreError, with_deadline},
//! };
//!
//! /// Keeps the rows.
//! struct Rows(Collection<Document>);
//!
//! impl Handler for Rows {
//!     type Record = StateRecord;
//!     /// The row of a user, or of a deleted one.
//!     type Decision = Document;
//!     type Error = StoreError;
//!
//!     const STORE: &'static str = "the collection of rows";
//!
//!     fn decide(&self, record: StateRecord, _now: Timestamp) -> Result<Document, Rejection> {
//!         Ok(match record.state {
//!             Some(user) => doc! { "username": user.username, "email": user.email },
//!             // The version of a deleted user stays, so that a late repeat does not bring the row back.
//!             None => doc! { "deleted": true },
//!         })
//!     }
//!
//!     async fn apply(&self, batch: &mut [Decided<Document>]) -> Result<(), StoreError> {
//!         for Decided { user, sequence, decision, .. } in newest_per_user(batch) {
//!             let (id, version) = (user.to_string(), i64::try_from(*sequence).expect("ten digits"));
//!             let mut row = decision.clone();
//!             row.extend(doc! { "_id": &id, "version": version });
//!             // The rule against repeats: a newer row stays as it is. The update decides this, and not
//!             // the filter, because two processes may insert the same row at the same time.
//!             let newer = doc! { "$gt": ["$version", version] };
//!             let row = doc! { "$cond": [newer, "$$ROOT", { "$literal": row }] };
//!             let write = self.0.update_one(doc! { "_id": id }, vec![doc! { "$replaceWith": row }]);
//!             with_deadline(Duration::from_secs(5), write.upsert(true)).await?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! /// Starts to read. `check` is shown by `/readyz`; `lifecycle` stops the consumer in order.
//! fn start(rows: Collection<Document>, check: Check, lifecycle: &Lifecycle) -> anyhow::Result<()> {
//!     Consumer {
//!         subscription: Settings::new("localhost:9092", "user.state", "rows").check()?,
//!         handler: Rows(rows),
//!         dead_letters: LogOnly,
//!         observer: Arc::new(()),
//!         check,
//!         clock: Clock::system(),
//!     }
//!     .start(lifecycle)?;
//!     Ok(())
//! }
//! # let _ = start;
//! ```
//!
//! # What it does
//!
//! | question | answer |
//! |---|---|
//! | What is read, and how much at once? | One topic, in batches of at most 500 records or 8 MiB. While one batch is applied, one more is read and decided. |
//! | When is an offset stored? | When the whole batch is safe: its decisions are applied and its dead letters are stored. |
//! | What if the effect is impossible? | The batch is applied again, with growing pauses up to 5 s. The partitions are paused meanwhile, but the client is polled, so the group keeps its member. |
//! | What if a record cannot be decoded, or its decision panics? | Only this record becomes a dead letter ([`DeadLetters`]). A record of an unknown type is skipped and counted ([`Observer`]). |
//! | What about repeats? | [`newest_per_user`] drops older records of a batch; the durable rule is a condition of the write, or [`events::Record::is_repeat`]. |
//! | What happens in a rebalance? | A partition that was revoked stores no offset of an earlier assignment; its records are read again by its new owner. |
//! | How far behind is it? | [`Observer::lag`], in records and in seconds. |
//! | What if the Kafka client fails? | A new one is created, after growing pauses up to 30 s. |
//! | How does it stop? | In the stage that takes new work: no more is read, and the batch in progress has 5 s. |
#![warn(missing_docs)]

mod batch;
mod client;
mod consumer;
mod decide;
mod handler;
mod lag;
mod newest;
mod offsets;
mod reader;
mod record;
mod settings;

pub use consumer::Consumer;
pub use decide::{Outcome, decide};
pub use handler::{ClientErrorKind, DeadLetters, DeadRecord, Decided, Handler, LogOnly, Observer, Rejection};
pub use lag::ConsumerLag;
pub use newest::newest_per_user;
pub use record::ConsumedRecord;
pub use settings::{SHORTEST_POLL_INTERVAL, Settings, Subscription};
