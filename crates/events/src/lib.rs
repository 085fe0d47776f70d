//! The contract between the services: typed payloads, the CloudEvents envelope, topic and key
//! rules, sealed tokens. It does no I/O and reads no clock.
//!
//! `docs/EVENTS.md` describes the contract for consumers in other languages. `schemas/` is generated
//! from these types, and `examples/` contains messages that must always remain decodable.

#![warn(missing_docs)]

mod catalogue;
mod decode;
mod envelope;
mod event_type;
mod payloads;
pub mod sealing;
pub mod topic;
mod trace_parent;

pub use decode::{DecodeError, Decoded, MAX_VALUE_BYTES, decode};
pub use envelope::{Envelope, Event, MAX_SEQUENCE, SOURCE, header};
pub use event_type::UnknownType;
pub use payloads::*;
pub use sealing::SealedToken;
pub use trace_parent::TraceParent;
