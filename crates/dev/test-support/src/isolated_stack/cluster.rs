//! A cluster that only one test uses: a replica set of MongoDB and a Kafka cluster, of three members each.

use std::ops::Deref;

use local_stack::dependencies::{Cluster, ClusterSpec, Dependencies, KafkaBackend};

use super::files::expect_ok;
use crate::stack::Stack;

/// A cluster that only one test uses. Its operations are those of [`Cluster`]. A world uses it by
/// `world.on_brokers(cluster.kafka().brokers(), BrokerKind::Real).on_mongodb(cluster.mongodb().uri())`.
#[derive(Debug)]
pub struct IsolatedCluster(Cluster);

impl IsolatedCluster {
    /// Starts a cluster, with links that can be cut where this machine allows it. `name` is unique within the test
    /// process.
    ///
    /// # Errors
    /// Returns the reason why this machine cannot run a Kafka cluster.
    ///
    /// # Panics
    /// Panics if a member does not start.
    pub async fn start(stack: &Stack, name: &str) -> Result<Self, String> {
        Self::start_with(stack, name, true).await
    }

    /// Starts a cluster on 127.0.0.1, without links that can be cut.
    ///
    /// # Errors
    /// Returns an error under the conditions of [`IsolatedCluster::start`].
    ///
    /// # Panics
    /// Panics if a member does not start.
    pub async fn start_without_links(stack: &Stack, name: &str) -> Result<Self, String> {
        Self::start_with(stack, name, false).await
    }

    async fn start_with(stack: &Stack, name: &str, links: bool) -> Result<Self, String> {
        let dependencies = expect_ok(Dependencies::locate(stack.is_embedded()));
        let (java, kafka_libs) = match dependencies.kafka {
            KafkaBackend::ApacheKafka { java, libs } => (java, libs),
            KafkaBackend::Embedded { reason } => return Err(format!("the broker is embedded: {reason}")),
        };
        let name = format!("{name}-{}", std::process::id());
        let spec = ClusterSpec {
            mongod: dependencies.mongod,
            java,
            kafka_libs,
            data: stack.directory().join("data").join(&name),
            logs: stack.directory().join("logs").join(&name),
            links,
        };
        Ok(Self(expect_ok(Cluster::start(&spec).await)))
    }
}

impl Deref for IsolatedCluster {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.0
    }
}
