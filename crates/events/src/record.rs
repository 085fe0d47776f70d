//! What the records of both topics have in common for a consumer.

use uuid::Uuid;

use crate::{DecodeError, Decoded, Event, StateRecord, decode, decode_state};

/// A record that a consumer can decode, and whose repeats it can recognise.
pub trait Record: Sized + Send + Sync + 'static {
    /// Decodes a record from its headers, key and value.
    ///
    /// # Errors
    /// Returns [`DecodeError`] if the record is a dead letter.
    fn decode<'a>(
        headers: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<Decoded<Self>, DecodeError>;

    /// Returns the user that the record is about.
    fn user(&self) -> Uuid;

    /// Returns the value of `ce_sequence`.
    fn sequence(&self) -> u64;

    /// Returns whether a consumer that has processed this user's records up to `last` must ignore
    /// the record.
    fn is_repeat(&self, last: Option<u64>) -> bool;
}

impl Record for Event {
    fn decode<'a>(
        headers: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<Decoded, DecodeError> {
        decode(headers, key, value)
    }

    fn user(&self) -> Uuid {
        self.envelope.subject
    }

    fn sequence(&self) -> u64 {
        self.envelope.sequence
    }

    /// An event whose sequence is not greater than the last one is a repeat.
    fn is_repeat(&self, last: Option<u64>) -> bool {
        last.is_some_and(|last| self.sequence() <= last)
    }
}

impl Record for StateRecord {
    fn decode<'a>(
        headers: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<Decoded<Self>, DecodeError> {
        decode_state(headers, key, value)
    }

    fn user(&self) -> Uuid {
        self.user
    }

    fn sequence(&self) -> u64 {
        self.version
    }

    /// A state with a lower version is a repeat. The same version may have other attributes: a
    /// snapshot publishes it again after the operator has marked more of them as public.
    fn is_repeat(&self, last: Option<u64>) -> bool {
        last.is_some_and(|last| self.version < last)
    }
}
