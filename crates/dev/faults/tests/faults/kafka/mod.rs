//! Kafka away, refusing, and not as the relay counts on it.

mod broker_errors;
mod more_partitions;
mod outage;
mod too_large;
