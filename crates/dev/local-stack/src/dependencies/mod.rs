//! The dependencies of the services: MongoDB, Kafka and a mail server.
//!
//! MongoDB and Kafka are real programs ([`mongod`], [`kafka`]); for machines where Kafka cannot be installed there is an
//! embedded stand-in ([`mock_kafka`]). The mail server is the built-in [`mail_catcher`].
//! [`Dependencies`] chooses the programs, [`RunningDependencies`] starts and stops all of them together. A [`Cluster`]
//! is a replica set of MongoDB and a Kafka cluster.

mod cluster;
mod embedded_http;
pub mod kafka;
mod kafka_cluster;
mod kafka_wire;
mod links;
mod locate;
pub mod mail_catcher;
pub mod mock_kafka;
pub mod mongo_wire;
pub mod mongod;
pub mod readiness;
mod replica_set;
mod running;
mod server;
mod takeover;

pub use cluster::{Cluster, ClusterSpec};
pub use kafka_cluster::{KafkaCluster, PartitionState};
pub use links::Isolation;
pub use locate::{Dependencies, KafkaBackend};
pub use replica_set::{MemberRole, ReplicaSet};
pub use running::{AlreadyRunning, DependenciesSpec, DependencyPorts, PARTITIONS, RunningDependencies, TOPICS};
pub use server::{Server, ServerFiles, ServerSpec};
pub use takeover::Takeover;
