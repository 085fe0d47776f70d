//! The dependencies of the services: MongoDB, Kafka and a mail server.
//!
//! Each has a real program ([`mongod`], [`kafka`], [`mailhog`]). Kafka and the mail server also have an embedded
//! stand-in ([`mock_kafka`], [`mail_catcher`]) for machines where the real program cannot be installed.
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
pub mod mailhog;
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
pub use locate::{Dependencies, KafkaBackend, MailBackend};
pub use replica_set::{MemberRole, ReplicaSet};
pub use running::{AlreadyRunning, DependenciesSpec, DependencyPorts, PARTITIONS, RunningDependencies, TOPIC};
pub use server::{Server, ServerFiles, ServerSpec};
pub use takeover::Takeover;
