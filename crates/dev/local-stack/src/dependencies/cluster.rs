//! Runs a cluster as in production: three `mongod` as one replica set, and three Kafka brokers (KRaft, each broker and
//! controller), with every process in a network namespace of its own where this machine allows it.
//!
//! The namespaces require root, or `CAP_NET_ADMIN` and `CAP_SYS_ADMIN`, and the programs `ip`, `nsenter` and
//! `unshare`. Without them the cluster runs on 127.0.0.1, [`Cluster::links_unavailable`] gives the reason, and
//! every operation that isolates a member returns it as an error.

/// How to run a cluster.
#[derive(Debug, Clone)]
pub struct ClusterSpec {
    /// The path of the `mongod` program.
    pub mongod: PathBuf,
    /// The path of the `java` program, version 17 or later.
    pub java: PathBuf,
    /// The directory of Kafka's jars.
    pub kafka_libs: PathBuf,
    /// The directory of the data of all members.
    pub data: PathBuf,
    /// The directory of the logs.
    pub logs: PathBuf,
    /// A short name, for the names of the log files.
    pub name: String,
    /// Whether each member gets a network namespace of its own where this machine allows it.
    pub links: bool,
}

/// A running cluster. Dropping it kills its processes and removes its network.
#[derive(Debug)]
pub struct Cluster {
    replica_set: ReplicaSet,
    kafka: KafkaCluster,
    links: Result<Arc<NodeNetwork>, String>,
}

impl Cluster {
    /// Starts a cluster with empty data, and waits until it has a primary, and every broker serves clients.
    ///
    /// # Errors
    /// Returns an error if a member does not start.
    pub async fn start(spec: &ClusterSpec) -> Result<Self>;

    /// Returns the replica set.
    #[must_use]
    pub fn mongodb(&self) -> &ReplicaSet;

    /// Returns the Kafka cluster.
    #[must_use]
    pub fn kafka(&self) -> &KafkaCluster;

    /// Returns the reason why no member can be isolated here, or `None` if it is possible.
    #[must_use]
    pub fn links_unavailable(&self) -> Option<&str>;

    /// Kills all processes at once.
    pub async fn kill(self);
}

// network/... (in this crate): Isolation, which both use
/// What an isolated member still reaches.
pub enum Isolation {
    /// The member reaches the services and clients, but not its peers.
    FromPeers,
    /// The member reaches nothing.
    FromAll,
}
