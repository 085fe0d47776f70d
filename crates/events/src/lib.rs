//! The contract between the services: typed payloads, the state of a user, the CloudEvents
//! envelope, topic and key rules, sealed tokens. It does no I/O and reads no clock.
//!
//! `docs/EVENTS.md` describes the contract for consumers in other languages. `schemas/` is generated
//! from these types, and `examples/` contains messages that must always remain decodable.

#![warn(missing_docs)]

mod catalogue;
mod decode;
mod envelope;
mod event_type;
mod payloads;
mod record;
pub mod sealing;
mod state;
pub mod topic;
mod trace_parent;

pub use catalogue::schemas;
pub use decode::{DecodeError, Decoded, MAX_VALUE_BYTES, decode, decode_state};
pub use envelope::{Envelope, Event, MAX_SEQUENCE, SOURCE, header};
pub use event_type::UnknownType;
pub use payloads::*;
pub use record::Record;
pub use sealing::SealedToken;
pub use state::{StateRecord, UserState, UserStatus};
pub use trace_parent::TraceParent;
