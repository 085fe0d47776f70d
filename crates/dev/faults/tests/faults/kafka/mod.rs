//! Faults of Kafka: outages, errors, refused events, and an unexpected number of partitions.

mod added_partitions;
mod broker_errors;
mod broker_outage;
mod oversized_events;
