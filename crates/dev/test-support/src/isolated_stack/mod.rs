//! Brokers and databases that only one test uses, for tests that take them down.

mod cluster;
mod files;
mod kafka;
mod mongodb;

pub use cluster::IsolatedCluster;
pub use kafka::IsolatedKafka;
pub use mongodb::{IsolatedMongod, IsolatedReplicaSet};
