//! A record as it was read from the topic.

use rdkafka::{
    Message as _,
    message::{BorrowedHeaders, BorrowedMessage, Headers as _},
};
use service_kit::panics;

/// The number of unreadable header names after which the rest of the headers is left out.
const MAX_UNREADABLE_HEADERS: u32 = 4;

/// A record as it was read from the topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsumedRecord {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset in the partition.
    pub offset: i64,
    /// When it was written, in milliseconds; `None` on a topic without timestamps.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The headers, in their order. Those whose name is not UTF-8 are left out.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The value; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
}

impl ConsumedRecord {
    /// Copies a record out of the client's buffer.
    pub(crate) fn new(message: &BorrowedMessage<'_>) -> Self {
        Self {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            headers: message.headers().map(readable_headers).unwrap_or_default(),
            value: message.payload().map(<[u8]>::to_vec),
        }
    }

    /// Returns the size of its contents in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + length(value)).sum();
        length(&self.key) + headers + length(&self.value)
    }
}

/// Reads the headers. A header whose name is not UTF-8 is left out: rdkafka panics at it, and no
/// event has such a name.
fn readable_headers(headers: &BorrowedHeaders) -> Vec<(String, Option<Vec<u8>>)> {
    let (mut read, mut unreadable) = (Vec::new(), 0);
    for index in 0..headers.count() {
        match panics::catch("record", || headers.try_get(index)) {
            Ok(header) => read.extend(header.map(|it| (it.key.to_owned(), it.value.map(<[u8]>::to_vec)))),
            Err(_) => unreadable += 1,
        }
        // Each panic costs a backtrace: a record with many such headers must not delay other
        // records.
        if unreadable == MAX_UNREADABLE_HEADERS {
            break;
        }
    }
    read
}
