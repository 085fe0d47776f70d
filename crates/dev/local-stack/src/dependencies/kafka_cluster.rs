//! A cluster of three Kafka brokers (KRaft, each broker and controller) that a test can kill, stop, isolate and restart.
//!
//! Settings: `default.replication.factor=3`, `min.insync.replicas=2`, `unclean.leader.election.enable=false`, internal
//! topics with three replicas, a quorum of three controllers; everything else is Kafka's default. Brokers are numbered
//! from 0; `node.id` is the index plus 1. All operations take `&self`.

/// The state of a partition, by the broker that knows the latest leader epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionState {
    pub partition: i32,
    /// The index of the leader; `None` while there is none.
    pub leader: Option<usize>,
    pub leader_epoch: i32,
    /// The indexes of the brokers in the in-sync set.
    pub in_sync: Vec<usize>,
    /// The indexes of the brokers that have a replica.
    pub replicas: Vec<usize>,
}

/// A new leader of a partition, or a new active controller.
#[derive(Debug, Clone, Copy)]
pub struct NewLeader { pub broker: usize, /** The time from the call until it was seen as the leader. */ pub took: Duration }

#[derive(Debug)]
pub struct KafkaCluster { /* .. */ }

impl KafkaCluster {
    pub fn len(&self) -> usize;
    /// Returns `host:port` of all brokers, separated by commas, for clients.
    pub fn brokers(&self) -> String;
    /// Returns `host:port` of one broker.
    pub fn broker(&self, broker: usize) -> String;
    pub fn log(&self, broker: usize) -> &Path;

    /// Returns the state of every partition of a topic.
    pub async fn partitions(&self, topic: &str) -> Result<Vec<PartitionState>>;
    /// Returns the leader of a partition, or `None` while there is none.
    pub async fn leader(&self, topic: &str, partition: i32) -> Result<Option<usize>>;
    /// Waits until another broker than `former` is the leader of the partition.
    pub async fn wait_for_new_leader(&self, topic: &str, partition: i32, former: usize, deadline: Duration) -> Result<NewLeader>;
    /// Waits until all replicas of all partitions of all topics (with `None`), or of one topic, are in sync, and returns the time that took.
    pub async fn wait_until_in_sync(&self, topic: Option<&str>, deadline: Duration) -> Result<Duration>;
    /// Returns the active controller, or `None` while there is none.
    pub async fn controller(&self) -> Option<usize>;
    /// Waits until another broker than `former` is the active controller.
    pub async fn wait_for_new_controller(&self, former: usize, deadline: Duration) -> Result<NewLeader>;

    pub async fn kill(&self, broker: usize);
    pub async fn pause(&self, broker: usize);
    pub async fn resume(&self, broker: usize);
    /// Shuts a broker down as an operator does: it hands its partitions over first (SIGTERM, at most 30 s).
    pub async fn shut_down(&self, broker: usize);
    /// Starts a broker again after it was killed or shut down, and waits until it serves clients.
    pub async fn restart(&self, broker: usize) -> Result<()>;
    /// Starts a broker again and does not wait, for a start without a controller quorum.
    pub async fn relaunch(&self, broker: usize) -> Result<()>;
    pub async fn is_running(&self, broker: usize) -> bool;
    pub async fn isolate(&self, broker: usize, isolation: Isolation) -> Result<()>;
    pub async fn heal(&self, broker: usize) -> Result<()>;
    /// Cuts the links between the controllers only: no quorum, no active controller; clients and replication between brokers go on.
    pub async fn cut_controllers(&self) -> Result<()>;
    pub async fn heal_controllers(&self) -> Result<()>;
    /// Ends every disturbance: heals, resumes and restarts all brokers, and waits until all partitions are in sync.
    pub async fn recover(&self, deadline: Duration) -> Result<Duration>;
}
