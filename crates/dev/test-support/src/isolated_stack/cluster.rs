//! A cluster that only one test uses: a MongoDB replica set and a Kafka cluster of three members each.

/// A cluster that only one test uses. See [`local_stack::dependencies::cluster`].
#[derive(Debug)]
pub struct IsolatedCluster {
    cluster: Cluster,
}

impl IsolatedCluster {
    /// Starts a cluster.
    ///
    /// # Errors
    /// Returns the reason why this machine cannot run one: Java or Apache Kafka is missing.
    ///
    /// # Panics
    /// Panics if a member does not start.
    pub async fn start(stack: &Stack, name: &str) -> Result<Self, String>;
}

impl Deref for IsolatedCluster { type Target = Cluster; }
// BrokerKind::Real for World::on_brokers(cluster.kafka().brokers(), BrokerKind::Real).on_mongodb(cluster.mongodb().uri())

// in service.rs, ServiceSpec:
/// Starts the service with its clock off by this many seconds (libfaketime; real-time clock only).
///
/// # Errors
/// Returns the reason why this machine cannot: libfaketime is not installed.
pub fn clock_offset(self, seconds: i64) -> Result<Self, String>;
