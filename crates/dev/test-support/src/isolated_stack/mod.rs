//! A broker or a database of one test's own, for tests that take it down.

mod files;
mod kafka;
mod mongodb;

pub use kafka::IsolatedKafka;
pub use mongodb::{IsolatedMongod, IsolatedReplicaSet};
