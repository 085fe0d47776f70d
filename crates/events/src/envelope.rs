//! The CloudEvents 1.0 envelope and its encoding as Kafka headers (binary mode).

use jiff::Timestamp;
use uuid::Uuid;

use crate::{EventType, Payload, TraceParent};

/// The CloudEvents `source` of every event.
pub const SOURCE: &str = "/user-service";

/// The largest sequence number that fits the ten digits of `ce_sequence`.
pub const MAX_SEQUENCE: u64 = 9_999_999_999;

pub(crate) const SPEC_VERSION: &str = "1.0";
pub(crate) const MEDIA_TYPE: &str = "application/json";

/// The names of the headers. Kafka's headers are case-sensitive.
pub mod header {
    /// The CloudEvents version, always `1.0`.
    pub const SPEC_VERSION: &str = "ce_specversion";
    /// The unique id of an event, a UUIDv7, or of a state. A duplicate delivery has the same id.
    pub const ID: &str = "ce_id";
    /// The event type with its version.
    pub const TYPE: &str = "ce_type";
    /// The source of the event, always `/user-service`.
    pub const SOURCE: &str = "ce_source";
    /// The user's id, equal to the record's key.
    pub const SUBJECT: &str = "ce_subject";
    /// The time of the event (RFC 3339).
    pub const TIME: &str = "ce_time";
    /// The position among the user's events, and the version of a user's state: ten digits, padded
    /// with zeros.
    pub const SEQUENCE: &str = "ce_sequence";
    /// The URN of the data's JSON Schema.
    pub const DATA_SCHEMA: &str = "ce_dataschema";
    /// The media type of the value.
    pub const CONTENT_TYPE: &str = "content-type";
    /// The W3C Trace Context.
    pub const TRACE_PARENT: &str = "traceparent";
}

/// Returns the URN of the JSON Schema of a type's data: `urn:user-service:events:<type>`.
pub(crate) fn data_schema(event_type: &str) -> String {
    format!("urn:user-service:events:{event_type}")
}

/// Returns a sequence as its header has it: ten digits, padded with zeros.
pub(crate) fn sequence_text(sequence: u64) -> String {
    format!("{sequence:010}")
}

/// The metadata of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The unique id (UUIDv7). A duplicate delivery has the same id.
    pub id: Uuid,
    /// The type with its version.
    pub event_type: EventType,
    /// The user that the event is about.
    pub subject: Uuid,
    /// The time of the event.
    pub time: Timestamp,
    /// The position among the user's events, at most [`MAX_SEQUENCE`]. Gaps are normal.
    pub sequence: u64,
    /// The trace of the request that caused the event, if known.
    pub trace_parent: Option<TraceParent>,
}

impl Envelope {
    /// Returns the record's headers.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            (header::SPEC_VERSION, SPEC_VERSION.to_owned()),
            (header::ID, self.id.to_string()),
            (header::TYPE, self.event_type.to_string()),
            (header::SOURCE, SOURCE.to_owned()),
            (header::SUBJECT, self.subject.to_string()),
            (header::TIME, self.time.to_string()),
            (header::SEQUENCE, sequence_text(self.sequence)),
            (header::DATA_SCHEMA, self.event_type.data_schema()),
            (header::CONTENT_TYPE, MEDIA_TYPE.to_owned()),
        ];
        if let Some(trace_parent) = &self.trace_parent {
            headers.push((header::TRACE_PARENT, trace_parent.as_str().to_owned()));
        }
        headers
    }

    /// Returns the record's key: the user's id, hyphenated, in lower case.
    pub fn key(&self) -> String {
        self.subject.to_string()
    }
}

/// An event: its envelope and its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The metadata.
    pub envelope: Envelope,
    /// The data, which has the envelope's type and is about the envelope's subject.
    pub payload: Payload,
}

impl Event {
    /// Creates an event with the type and subject of `payload`.
    pub fn new(id: Uuid, time: Timestamp, sequence: u64, trace_parent: Option<TraceParent>, payload: Payload) -> Event {
        let envelope =
            Envelope { id, event_type: payload.event_type(), subject: payload.user_id(), time, sequence, trace_parent };
        Event { envelope, payload }
    }
}
