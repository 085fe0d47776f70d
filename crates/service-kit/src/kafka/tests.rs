//! Tests of the Kafka client's configuration.
