//! The CloudEvents 1.0 envelope and how it becomes Kafka headers (binary mode).

use jiff::Timestamp;
use uuid::Uuid;

use crate::{EventType, Payload, TraceParent};

/// The CloudEvents `source` of every event.
pub const SOURCE: &str = "/user-service";

/// The largest sequence that fits the ten digits of `ce_sequence`.
pub const MAX_SEQUENCE: u64 = 9_999_999_999;

pub(crate) const SPEC_VERSION: &str = "1.0";
pub(crate) const MEDIA_TYPE: &str = "application/json";

/// Header names. Kafka's headers are case-sensitive.
pub mod header {
    /// CloudEvents version, always `1.0`.
    pub const SPEC_VERSION: &str = "ce_specversion";
    /// The event's id, a UUIDv7. Unique; a duplicate delivery has the same.
    pub const ID: &str = "ce_id";
    /// The event type with its version.
    pub const TYPE: &str = "ce_type";
    /// Who tells it, always `/user-service`.
    pub const SOURCE: &str = "ce_source";
    /// The user id; the same as the record's key.
    pub const SUBJECT: &str = "ce_subject";
    /// When it happened (RFC 3339).
    pub const TIME: &str = "ce_time";
    /// The position among the user's events: ten digits, zero-padded.
    pub const SEQUENCE: &str = "ce_sequence";
    /// The URN of the data's JSON Schema.
    pub const DATA_SCHEMA: &str = "ce_dataschema";
    /// Media type of the value.
    pub const CONTENT_TYPE: &str = "content-type";
    /// W3C Trace Context.
    pub const TRACE_PARENT: &str = "traceparent";
}

/// What is said about an event outside of its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Unique id (UUIDv7); a duplicate delivery has the same.
    pub id: Uuid,
    /// The type with its version.
    pub event_type: EventType,
    /// The user the event is about.
    pub subject: Uuid,
    /// When it happened.
    pub time: Timestamp,
    /// Position among this user's events, at most [`MAX_SEQUENCE`]. Gaps are normal.
    pub sequence: u64,
    /// The request that caused it, where known.
    pub trace_parent: Option<TraceParent>,
}

impl Envelope {
    /// The record's headers.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            (header::SPEC_VERSION, SPEC_VERSION.to_owned()),
            (header::ID, self.id.to_string()),
            (header::TYPE, self.event_type.to_string()),
            (header::SOURCE, SOURCE.to_owned()),
            (header::SUBJECT, self.subject.to_string()),
            (header::TIME, self.time.to_string()),
            (header::SEQUENCE, format!("{:010}", self.sequence)),
            (header::DATA_SCHEMA, self.event_type.data_schema()),
            (header::CONTENT_TYPE, MEDIA_TYPE.to_owned()),
        ];
        if let Some(trace_parent) = &self.trace_parent {
            headers.push((header::TRACE_PARENT, trace_parent.as_str().to_owned()));
        }
        headers
    }

    /// The record's key: the user id, hyphenated lower case.
    pub fn key(&self) -> String {
        self.subject.to_string()
    }
}

/// An event: envelope and data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// About the event.
    pub envelope: Envelope,
    /// Its data; of the envelope's type and about the envelope's subject.
    pub payload: Payload,
}

impl Event {
    /// The event of `payload`: type and subject are taken from it.
    pub fn new(id: Uuid, time: Timestamp, sequence: u64, trace_parent: Option<TraceParent>, payload: Payload) -> Event {
        let envelope =
            Envelope { id, event_type: payload.event_type(), subject: payload.user_id(), time, sequence, trace_parent };
        Event { envelope, payload }
    }
}
