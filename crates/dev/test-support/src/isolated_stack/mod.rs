//! Brokers and databases that only one test uses, for tests that take them down.

mod files;
mod kafka;
mod mongodb;

pub use kafka::IsolatedKafka;
pub use mongodb::{IsolatedMongod, IsolatedReplicaSet};
