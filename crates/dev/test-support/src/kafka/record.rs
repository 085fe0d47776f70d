//! A record of a topic, with accessors for tests.

use rdkafka::{
    Message as _,
    message::{BorrowedMessage, Headers as _},
};
use serde_json::Value;

/// A record of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The partition.
    pub partition: i32,
    /// The offset in the partition.
    pub offset: i64,
    /// The timestamp of the broker in milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    pub(crate) fn from_message(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map(|headers| {
            // rdkafka panics if a header name is not UTF-8; one test writes such a name.
            let read = |index| std::panic::catch_unwind(|| headers.get(index)).ok();
            let read = (0..headers.count()).filter_map(read);
            read.map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
        });
        Self {
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
        }
    }

    /// Returns the value of a header as text, or an empty text if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let value = self.headers.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.as_deref());
        value.map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    }

    /// Returns the key as text, or an empty text if there is none.
    #[must_use]
    pub fn key_text(&self) -> String {
        self.key.as_deref().map(|key| String::from_utf8_lossy(key).into_owned()).unwrap_or_default()
    }

    /// Returns the value as JSON, or null if it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        self.value.as_deref().and_then(|value| serde_json::from_slice(value).ok()).unwrap_or(Value::Null)
    }

    /// Returns `ce_id`.
    #[must_use]
    pub fn id(&self) -> String {
        self.header("ce_id")
    }

    /// Returns `ce_type`.
    #[must_use]
    pub fn event_type(&self) -> String {
        self.header("ce_type")
    }

    /// Returns `ce_sequence` as a number, or 0 if it is not a number.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.header("ce_sequence").parse().unwrap_or(0)
    }

    /// Returns whether the key, the value or a header contains these bytes.
    #[must_use]
    pub fn contains(&self, bytes: &[u8]) -> bool {
        let has = |part: &[u8]| part.windows(bytes.len().max(1)).any(|window| window == bytes);
        let headers = self.headers.iter().filter_map(|(_, value)| value.as_deref());
        self.key.as_deref().into_iter().chain(self.value.as_deref()).chain(headers).any(has)
    }
}
