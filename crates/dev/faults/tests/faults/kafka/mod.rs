//! Kafka away, refusing, and not as the relay counts on it.

mod added_partitions;
mod broker_errors;
mod broker_outage;
mod oversized_events;
