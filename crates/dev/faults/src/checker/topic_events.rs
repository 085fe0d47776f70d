//! The records of the topics, decoded according to the contract.

use std::collections::BTreeSet;

use events::{
    DecodeError, Decoded, Event, StateRecord,
    topic::{DEFAULT_PARTITIONS, partition_of},
};
use uuid::Uuid;

use crate::checker::{History, TopicRecord};

/// A record that is an event.
#[derive(Debug, Clone)]
pub(crate) struct TopicEvent<'a> {
    pub record: &'a TopicRecord,
    pub event: Event,
}

impl TopicEvent<'_> {
    pub(crate) fn id(&self) -> Uuid {
        self.event.envelope.id
    }

    pub(crate) fn user(&self) -> Uuid {
        self.event.envelope.subject
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.event.envelope.sequence
    }
}

/// Decodes a record.
pub(crate) fn decode(record: &TopicRecord) -> Result<Decoded, DecodeError> {
    let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
    events::decode(headers, record.key.as_deref(), record.value.as_deref())
}

/// Decodes a record of the topic of states.
pub(crate) fn decode_state(record: &TopicRecord) -> Result<Decoded<StateRecord>, DecodeError> {
    let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
    events::decode_state(headers, record.key.as_deref(), record.value.as_deref())
}

/// Returns all records that are events, including those that the test wrote, in the order of the topic.
pub(crate) fn all_events(history: &History) -> Vec<TopicEvent<'_>> {
    let topic_event = |record| match decode(record) {
        Ok(Decoded::Event(event)) => Some(TopicEvent { record, event: *event }),
        _ => None,
    };
    history.records.iter().filter_map(topic_event).collect()
}

/// Returns whether the user service, and not the test, wrote the record.
pub(crate) fn is_from_user_service(history: &History, record: &TopicRecord) -> bool {
    !record.foreign && !history.limits.no_user_service
}

/// Returns the first occurrence of every event that the user service published.
pub(crate) fn first_occurrences(history: &History) -> Vec<TopicEvent<'_>> {
    let mut seen = BTreeSet::new();
    let first = |topic_event: &TopicEvent<'_>| {
        is_from_user_service(history, topic_event.record) && seen.insert(topic_event.id())
    };
    all_events(history).into_iter().filter(first).collect()
}

/// Returns the partitions to which the record's key belongs or belonged, one for each number of partitions.
pub(crate) fn allowed_partitions(history: &History, record: &TopicRecord) -> Vec<i32> {
    let key = record.key.as_deref().unwrap_or_default();
    let usual = [DEFAULT_PARTITIONS];
    let counts = if history.limits.partitions.is_empty() { &usual[..] } else { &history.limits.partitions };
    counts.iter().map(|count| partition_of(key, *count)).collect()
}
