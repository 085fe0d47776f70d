//! Decodes a Kafka record into an event, or says why it cannot be processed.

use std::mem;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::envelope::{MEDIA_TYPE, SPEC_VERSION, data_schema};
use crate::{Envelope, Event, EventType, Payload, SOURCE, StateRecord, TraceParent, UnknownType, UserState, header};

/// The maximum size of a value that is decoded. Real events have less than 4 KiB.
pub const MAX_VALUE_BYTES: usize = 256 * 1024;

/// A decoded record: of the topic of events, or of the topic of states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded<T = Event> {
    /// An event or a state of this contract.
    Event(Box<T>),
    /// A CloudEvent of an unknown type, with the truncated name of the type: skip and count it.
    UnknownType(String),
}

/// The reason why a record cannot be processed. It names the location, but shows no data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A required header is missing.
    #[error("the header {0} is missing")]
    MissingHeader(&'static str),
    /// A header has a value that the contract does not allow.
    #[error("the header {name} {problem}")]
    InvalidHeader {
        /// The header's name.
        name: &'static str,
        /// The problem, as the rest of a sentence about the header.
        problem: &'static str,
    },
    /// The event type is known, but its version is not.
    #[error("unsupported version of a known event type: {0}")]
    UnsupportedVersion(String),
    /// The record has no value.
    #[error("the record has no value")]
    NullValue,
    /// The value is larger than [`MAX_VALUE_BYTES`].
    #[error("the value has {bytes} bytes, more than {MAX_VALUE_BYTES}")]
    TooLarge {
        /// The value's size.
        bytes: usize,
    },
    /// The value is not JSON.
    #[error("the value is not JSON (line {line}, column {column})")]
    NotJson {
        /// The line of the syntax error, counted from 1.
        line: usize,
        /// The column of the syntax error; 0 if unknown.
        column: usize,
    },
    /// The value is JSON, but not valid data of its type.
    #[error("the data is not a valid {event_type}: {problem}")]
    InvalidData {
        /// The type in the record's header.
        event_type: &'static str,
        /// Which member is invalid.
        problem: String,
    },
    /// The record's key differs from its `ce_subject`.
    #[error("the record's key is not its ce_subject")]
    KeyMismatch,
    /// The data's user differs from `ce_subject`.
    #[error("the data's userId is not the record's ce_subject")]
    UserIdMismatch,
    /// The version of a state differs from `ce_sequence`.
    #[error("the data's version is not the record's ce_sequence")]
    VersionMismatch,
}

impl DecodeError {
    /// Returns a stable slug, the reason of the dead letter.
    pub fn reason(&self) -> &'static str {
        match self {
            DecodeError::MissingHeader(_) => "missing-header",
            DecodeError::InvalidHeader { .. } => "invalid-header",
            DecodeError::UnsupportedVersion(_) => "unsupported-version",
            DecodeError::NullValue => "null-value",
            DecodeError::TooLarge { .. } => "record-too-large",
            DecodeError::NotJson { .. } => "not-json",
            DecodeError::InvalidData { .. } => "invalid-data",
            DecodeError::KeyMismatch => "key-mismatch",
            DecodeError::UserIdMismatch => "user-id-mismatch",
            DecodeError::VersionMismatch => "version-mismatch",
        }
    }
}

/// Decodes a record of the topic of events from its headers, key and value.
///
/// The type is checked first, so a CloudEvent of an unknown type is [`Decoded::UnknownType`]
/// whatever else is wrong with it. Unknown headers and unknown members of the data are ignored; an
/// invalid `traceparent` counts as absent.
///
/// # Errors
/// Returns [`DecodeError`] if the record is a dead letter.
pub fn decode<'a>(
    headers: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<Decoded, DecodeError> {
    let headers = Headers(headers.into_iter().collect());
    let event_type = match headers.event_type() {
        Ok(name) => match EventType::parse(name) {
            Ok(event_type) => event_type,
            Err(UnknownType::Name(name)) => return Ok(Decoded::UnknownType(name)),
            Err(UnknownType::Version(name)) => return Err(DecodeError::UnsupportedVersion(name)),
        },
        // For a record without headers and value, the missing value is the more useful reason.
        Err(_) if value.is_none() => return Err(DecodeError::NullValue),
        Err(error) => return Err(error),
    };
    headers.check_fixed(event_type.as_str())?;
    let envelope = headers.envelope(event_type)?;
    if key != Some(envelope.key().as_bytes()) {
        return Err(DecodeError::KeyMismatch);
    }
    let payload = Payload::from_json(event_type, value.ok_or(DecodeError::NullValue)?)?;
    if payload.user_id() != envelope.subject {
        return Err(DecodeError::UserIdMismatch);
    }
    Ok(Decoded::Event(Box::new(Event { envelope, payload })))
}

/// Decodes a record of the topic of states from its headers, key and value. A record without a
/// value is the tombstone of a deleted user.
///
/// # Errors
/// Returns [`DecodeError`] if the record is a dead letter.
pub fn decode_state<'a>(
    headers: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<Decoded<StateRecord>, DecodeError> {
    let headers = Headers(headers.into_iter().collect());
    match StateRecord::parse_type(headers.event_type()?) {
        Ok(()) => {}
        Err(UnknownType::Name(name)) => return Ok(Decoded::UnknownType(name)),
        Err(UnknownType::Version(name)) => return Err(DecodeError::UnsupportedVersion(name)),
    }
    headers.check_fixed(StateRecord::TYPE)?;
    let user = headers.uuid(header::SUBJECT)?;
    let (version, time) = (headers.sequence()?, headers.time()?);
    if key != Some(user.to_string().as_bytes()) {
        return Err(DecodeError::KeyMismatch);
    }
    let state: Option<UserState> = value.map(|value| parse_data(StateRecord::TYPE, value)).transpose()?;
    match &state {
        Some(state) if state.id != user => Err(DecodeError::UserIdMismatch),
        Some(state) if state.version != version => Err(DecodeError::VersionMismatch),
        _ => Ok(Decoded::Event(Box::new(StateRecord { user, version, time, state }))),
    }
}

/// The headers of a record, read by their exact names.
struct Headers<'a>(Vec<(&'a str, Option<&'a [u8]>)>);

impl<'a> Headers<'a> {
    /// Returns the name of the type, if the record is a CloudEvent of the supported version.
    fn event_type(&self) -> Result<&'a str, DecodeError> {
        if self.required(header::SPEC_VERSION)? != SPEC_VERSION {
            return invalid_header(header::SPEC_VERSION, "is not 1.0");
        }
        self.required(header::TYPE)
    }

    /// Checks the headers whose values follow from the type.
    fn check_fixed(&self, event_type: &str) -> Result<(), DecodeError> {
        if self.required(header::SOURCE)? != SOURCE {
            return invalid_header(header::SOURCE, "is not /user-service");
        }
        if self.optional(header::DATA_SCHEMA)?.is_some_and(|urn| urn != data_schema(event_type)) {
            return invalid_header(header::DATA_SCHEMA, "is not that of the type");
        }
        if !self.optional(header::CONTENT_TYPE)?.is_none_or(is_json) {
            return invalid_header(header::CONTENT_TYPE, "is not application/json");
        }
        Ok(())
    }

    fn envelope(&self, event_type: EventType) -> Result<Envelope, DecodeError> {
        Ok(Envelope {
            id: self.uuid(header::ID)?,
            event_type,
            subject: self.uuid(header::SUBJECT)?,
            time: self.time()?,
            sequence: self.sequence()?,
            trace_parent: self.trace_parent(),
        })
    }

    fn uuid(&self, name: &'static str) -> Result<Uuid, DecodeError> {
        let text = self.required(name)?;
        match Uuid::try_parse(text) {
            Ok(id) if text.len() == uuid::fmt::Hyphenated::LENGTH => Ok(id),
            _ => invalid_header(name, "is not a UUID"),
        }
    }

    fn time(&self) -> Result<Timestamp, DecodeError> {
        let text = self.required(header::TIME)?;
        text.parse().or_else(|_| invalid_header(header::TIME, "is not an RFC 3339 time"))
    }

    fn sequence(&self) -> Result<u64, DecodeError> {
        let text = self.required(header::SEQUENCE)?;
        let ten_digits = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(sequence) if ten_digits => Ok(sequence),
            _ => invalid_header(header::SEQUENCE, "is not ten digits"),
        }
    }

    fn trace_parent(&self) -> Option<TraceParent> {
        TraceParent::parse(self.optional(header::TRACE_PARENT).ok()??)
    }

    fn required(&self, name: &'static str) -> Result<&'a str, DecodeError> {
        self.optional(name)?.ok_or(DecodeError::MissingHeader(name))
    }

    /// Returns the value of a header. A header without a value counts as missing. A header that is
    /// given twice is refused, because readers differ in which of the two they use.
    fn optional(&self, name: &'static str) -> Result<Option<&'a str>, DecodeError> {
        let mut values = self.0.iter().filter(|(key, _)| *key == name).map(|(_, value)| *value);
        let value = values.next().flatten();
        if values.next().is_some() {
            return invalid_header(name, "is given more than once");
        }
        value.map(std::str::from_utf8).transpose().or_else(|_| invalid_header(name, "is not UTF-8"))
    }
}

fn invalid_header<T>(name: &'static str, problem: &'static str) -> Result<T, DecodeError> {
    Err(DecodeError::InvalidHeader { name, problem })
}

/// Returns whether the media type is `application/json`, in any case and with any parameters.
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case(MEDIA_TYPE)
}

/// Parses the data of one type.
pub(crate) fn parse_data<T>(event_type: &'static str, json: &[u8]) -> Result<T, DecodeError>
where
    T: DeserializeOwned + Serialize,
{
    if json.len() > MAX_VALUE_BYTES {
        return Err(DecodeError::TooLarge { bytes: json.len() });
    }
    let text = std::str::from_utf8(json).map_err(|_| DecodeError::NotJson { line: 1, column: 0 })?;
    // The syntax is checked first, so that an invalid member does not hide a truncated text.
    let value: Value = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    if !value.is_object() {
        return Err(DecodeError::InvalidData { event_type, problem: "it is not an object".to_owned() });
    }
    let data: T = serde_json::from_str(text).map_err(|_| invalid_data::<T>(event_type, text))?;
    let encoded = serde_json::to_value(&data).expect("payloads have string keys and no fallible parts");
    match first_type_mismatch(&encoded, &value) {
        None => Ok(data),
        Some(path) => Err(DecodeError::InvalidData { event_type, problem: format!("{path} is invalid") }),
    }
}

/// Returns the error for data that does not fit its type. It parses the text again, with a slower
/// deserializer that tracks the path.
fn invalid_data<T: DeserializeOwned>(event_type: &'static str, text: &str) -> DecodeError {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let problem = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => describe(&error.path().to_string(), error.inner()),
        Ok(_) => "it is invalid".to_owned(),
    };
    DecodeError::InvalidData { event_type, problem }
}

fn not_json(error: &serde_json::Error) -> DecodeError {
    DecodeError::NotJson { line: error.line(), column: error.column() }
}

/// Describes an error by the path of the member. It uses only those of serde's messages that quote
/// nothing except the contract's own field names.
fn describe(path: &str, error: &serde_json::Error) -> String {
    let message = error.to_string();
    let field = |kind: &str| {
        let name = message.strip_prefix(kind)?.strip_prefix(" field `")?.split('`').next()?;
        Some(if path == "." { name.to_owned() } else { format!("{path}.{name}") })
    };
    if let Some(name) = field("missing") {
        format!("{name} is missing")
    } else if let Some(name) = field("duplicate") {
        format!("{name} is given more than once")
    } else {
        format!("{path} is invalid")
    }
}

/// Returns the path of the first member whose JSON type differs from the encoded data. serde
/// accepts more than the contract: an array instead of an object, by position, and
/// `{"reset": null}` instead of `"reset"`.
fn first_type_mismatch(encoded: &Value, given: &Value) -> Option<String> {
    match (encoded, given) {
        (Value::Object(encoded), Value::Object(given)) => encoded.iter().find_map(|(name, member)| {
            let inner = first_type_mismatch(member, given.get(name)?)?;
            Some(format!("{name}{}", path_suffix(&inner)))
        }),
        (Value::Array(encoded), Value::Array(given)) => {
            let mut items = encoded.iter().zip(given).enumerate();
            items.find_map(|(at, (encoded, given))| {
                Some(format!("[{at}]{}", path_suffix(&first_type_mismatch(encoded, given)?)))
            })
        }
        _ => (mem::discriminant(encoded) != mem::discriminant(given)).then(String::new),
    }
}

/// Returns a path as a suffix of its parent's name.
fn path_suffix(path: &str) -> String {
    if path.is_empty() || path.starts_with('[') { path.to_owned() } else { format!(".{path}") }
}
