//! A Kafka cluster (KRaft) whose members a test can kill, stop, isolate and restart.
//!
//! Each member is a broker and a controller. Topics have a replica on every broker unless their creator says otherwise,
//! `min.insync.replicas` is 2 of 3, and no replica that lacks records becomes a leader. Everything else is Kafka's
//! default. All operations take `&self`, so one task can disturb a broker while others observe the cluster. Brokers are
//! numbered from 0; the `node.id` is one more.

use std::{
    net::Ipv4Addr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use futures_util::future::{join_all, try_join_all};
use tokio::sync::Mutex;

use super::{
    kafka::{Kafka, KafkaSpec},
    kafka_wire::{self, ClusterMetadata, PartitionMetadata, QuorumLeader},
    links::{Isolation, MemberLinks},
    server::Server,
    takeover::{Takeover, wait_for_takeover},
};
use crate::wait_for::try_wait_for;

/// How long a broker may take to answer a question about the cluster.
const ANSWER_DEADLINE: Duration = Duration::from_secs(1);

/// The state of a partition, by the brokers that know its latest leader epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionState {
    /// The number of the partition.
    pub partition: i32,
    /// The leader, or `None` while there is none.
    pub leader: Option<usize>,
    /// The number of elections so far.
    pub leader_epoch: i32,
    /// The brokers that have a replica.
    pub replicas: Vec<usize>,
    /// The brokers whose replica is in sync. If the brokers disagree, the smallest set.
    pub in_sync: Vec<usize>,
}

/// A running Kafka cluster.
#[derive(Debug)]
pub struct KafkaCluster {
    members: Vec<Member>,
    links: MemberLinks,
}

#[derive(Debug)]
struct Member {
    spec: KafkaSpec,
    server: Mutex<Kafka>,
}

impl KafkaCluster {
    /// Starts a new cluster and waits until every broker serves clients.
    ///
    /// # Errors
    /// Returns an error if a broker does not start.
    pub(super) async fn start(specs: Vec<KafkaSpec>, links: MemberLinks) -> Result<Self> {
        let servers = try_join_all(specs.iter().cloned().map(Server::start)).await?;
        let member = |(spec, server)| Member { spec, server: Mutex::new(server) };
        Ok(Self { members: specs.into_iter().zip(servers).map(member).collect(), links })
    }

    /// Returns the number of brokers.
    #[must_use]
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Returns `host:port` of all brokers, separated by commas, for clients.
    #[must_use]
    pub fn brokers(&self) -> String {
        let addresses: Vec<String> = self.members.iter().map(|member| member.spec.address().to_string()).collect();
        addresses.join(",")
    }

    /// Returns the log file of a broker.
    #[must_use]
    pub fn log(&self, broker: usize) -> &Path {
        &self.members[broker].spec.files.log
    }

    /// Returns the process id of a broker.
    pub async fn pid(&self, broker: usize) -> u32 {
        self.members[broker].server.lock().await.child().pid()
    }

    /// Returns the state of every partition of a topic, in order. It is empty if no broker answers or the topic does
    /// not exist.
    pub async fn partitions(&self, topic: &str) -> Vec<PartitionState> {
        let answers = self.ask_all(Some(&[topic])).await;
        let known = answers.iter().flatten().filter_map(|metadata| metadata.topics.get(topic)).flatten();
        let mut known: Vec<&PartitionMetadata> = known.collect();
        // The best answer about each partition comes first.
        known.sort_by_key(|state| (state.partition, -state.leader_epoch, state.in_sync.len()));
        known.dedup_by_key(|state| state.partition);
        known.into_iter().map(PartitionState::from).collect()
    }

    /// Returns the leader of a partition, or `None` while there is none.
    pub async fn leader(&self, topic: &str, partition: i32) -> Option<usize> {
        self.partitions(topic).await.into_iter().find(|state| state.partition == partition)?.leader
    }

    /// Waits until another broker than `former` is the leader of the partition.
    ///
    /// # Errors
    /// Returns an error if there is none within `deadline`.
    pub async fn wait_for_new_leader(
        &self,
        topic: &str,
        partition: i32,
        former: usize,
        deadline: Duration,
    ) -> Result<Takeover> {
        let claim = async |broker: usize| {
            let metadata = self.ask(broker, Some(&[topic])).await?;
            let state = metadata.topics.get(topic)?.iter().find(|state| state.partition == partition)?;
            index(state.leader).filter(|leader| *leader != former)
        };
        let holder = async || self.leader(topic, partition).await;
        wait_for_takeover(deadline, "a new leader", &self.all_but(former), claim, holder).await
    }

    /// Waits until there is an active controller, every broker is alive, and all replicas of one topic, or with `None`
    /// of all topics, are in sync. Returns the time that it took.
    ///
    /// # Errors
    /// Returns an error if a replica is not in sync within `deadline`.
    pub async fn wait_until_in_sync(&self, topic: Option<&str>, deadline: Duration) -> Result<Duration> {
        let start = Instant::now();
        let topics = topic.as_slice();
        let is_in_sync = |state: &PartitionMetadata| state.leader >= 0 && state.in_sync.len() == state.replicas.len();
        let is_complete = |metadata: &ClusterMetadata| {
            metadata.brokers.len() == self.size()
                && topics.iter().all(|topic| metadata.topics.get(*topic).is_some_and(|states| !states.is_empty()))
                && metadata.topics.values().flatten().all(is_in_sync)
        };
        try_wait_for(deadline, "a full in-sync set of every partition", async || {
            let answers = self.ask_all(topic.is_some().then_some(topics)).await;
            let complete = answers.iter().all(|answer| answer.as_ref().is_some_and(is_complete));
            // Without a controller the brokers repeat what they knew before.
            Ok((complete && self.controller().await.is_some()).then_some(()))
        })
        .await?;
        Ok(start.elapsed())
    }

    /// Returns the active controller, or `None` while there is none. If two claim to be it, the later election counts.
    pub async fn controller(&self) -> Option<usize> {
        let answers = join_all((0..self.size()).map(|broker| self.ask_controller(broker))).await;
        let leaders = answers.into_iter().flatten();
        leaders.max_by_key(|leader| leader.epoch).and_then(|leader| index(leader.node_id))
    }

    /// Waits until another broker than `former` is the active controller.
    ///
    /// # Errors
    /// Returns an error if there is none within `deadline`.
    pub async fn wait_for_new_controller(&self, former: usize, deadline: Duration) -> Result<Takeover> {
        let claim = async |broker: usize| index(self.ask_controller(broker).await?.node_id);
        let holder = async || self.controller().await;
        wait_for_takeover(deadline, "a new active controller", &self.all_but(former), claim, holder).await
    }

    /// Sends SIGKILL to a broker and waits until its process has ended.
    pub async fn kill(&self, broker: usize) {
        self.members[broker].server.lock().await.child().kill().await;
    }

    /// Sends SIGSTOP to a broker, so that its connections hang.
    pub async fn pause(&self, broker: usize) {
        self.members[broker].server.lock().await.child().pause();
    }

    /// Sends SIGCONT to a broker.
    pub async fn resume(&self, broker: usize) {
        self.members[broker].server.lock().await.child().resume();
    }

    /// Shuts a broker down as an operator does: it hands its partitions over first. It is killed if that takes longer
    /// than 15 s, for example without an active controller.
    pub async fn shut_down(&self, broker: usize) {
        self.members[broker].server.lock().await.stop().await;
    }

    /// Starts a broker again after it was killed or shut down, and waits until it serves clients. That requires an
    /// active controller.
    ///
    /// # Errors
    /// Returns an error if it does not start within 90 s.
    pub async fn restart(&self, broker: usize) -> Result<()> {
        self.members[broker].server.lock().await.restart().await
    }

    /// Starts a broker again after it was killed or shut down, and does not wait.
    ///
    /// # Errors
    /// Returns an error if the process cannot be started.
    pub async fn relaunch(&self, broker: usize) -> Result<()> {
        self.members[broker].server.lock().await.relaunch().await
    }

    /// Returns whether the process of a broker runs.
    pub async fn is_running(&self, broker: usize) -> bool {
        self.members[broker].server.lock().await.child().exit_status().is_none()
    }

    /// Isolates a broker. Packets vanish, so connections stay open and hang.
    ///
    /// # Errors
    /// Returns an error if no link can be cut on this machine.
    pub fn isolate(&self, broker: usize, isolation: Isolation) -> Result<()> {
        self.links.isolate(broker, isolation)
    }

    /// Ends the isolation of a broker.
    ///
    /// # Errors
    /// Returns an error if no link can be cut on this machine.
    pub fn heal(&self, broker: usize) -> Result<()> {
        self.links.heal(broker)
    }

    /// Cuts every broker off from the controllers of the others, so that there is no quorum and no active controller.
    /// Clients and the replication between brokers are not affected.
    ///
    /// # Errors
    /// Returns an error if no link can be cut on this machine.
    pub fn cut_controllers(&self) -> Result<()> {
        let network = self.links.network()?;
        self.other_controllers().try_for_each(|(broker, others)| network.drop_packets(self.links.node(broker), &others))
    }

    /// Reverses [`KafkaCluster::cut_controllers`].
    ///
    /// # Errors
    /// Returns an error if no link can be cut on this machine.
    pub fn heal_controllers(&self) -> Result<()> {
        let network = self.links.network()?;
        self.other_controllers()
            .try_for_each(|(broker, others)| network.deliver_packets(self.links.node(broker), &others))
    }

    /// Ends every disturbance: heals and resumes all brokers, starts those that do not run, and waits until all
    /// replicas are in sync. Returns the time that it took.
    ///
    /// # Errors
    /// Returns an error if a replica is not in sync within `deadline`.
    pub async fn recover(&self, deadline: Duration) -> Result<Duration> {
        let start = Instant::now();
        self.links.heal_all()?;
        for broker in 0..self.size() {
            self.resume(broker).await;
            if !self.is_running(broker).await {
                self.relaunch(broker).await?;
            }
        }
        self.wait_until_in_sync(None, deadline).await?;
        Ok(start.elapsed())
    }

    /// Returns every broker with the addresses of the controllers of the others.
    fn other_controllers(&self) -> impl Iterator<Item = (usize, Vec<Ipv4Addr>)> {
        let controller = |broker: usize| *self.members[broker].spec.controller.ip();
        (0..self.size()).map(move |broker| (broker, self.all_but(broker).into_iter().map(controller).collect()))
    }

    /// Returns the brokers without one.
    fn all_but(&self, broker: usize) -> Vec<usize> {
        self.links.peers(broker).collect()
    }

    /// Returns what each broker knows, or `None` if it does not answer.
    async fn ask_all(&self, topics: Option<&[&str]>) -> Vec<Option<ClusterMetadata>> {
        join_all((0..self.size()).map(|broker| self.ask(broker, topics))).await
    }

    async fn ask(&self, broker: usize, topics: Option<&[&str]>) -> Option<ClusterMetadata> {
        kafka_wire::metadata(self.members[broker].spec.address(), topics, ANSWER_DEADLINE).await.ok()
    }

    /// Returns the election that a controller has won, or `None` if it is not the active one or does not answer.
    async fn ask_controller(&self, broker: usize) -> Option<QuorumLeader> {
        kafka_wire::quorum_leader(self.members[broker].spec.controller, ANSWER_DEADLINE).await.ok().flatten()
    }
}

impl From<&PartitionMetadata> for PartitionState {
    fn from(metadata: &PartitionMetadata) -> Self {
        let indexes = |nodes: &[i32]| nodes.iter().copied().filter_map(index).collect();
        Self {
            partition: metadata.partition,
            leader: index(metadata.leader),
            leader_epoch: metadata.leader_epoch,
            replicas: indexes(&metadata.replicas),
            in_sync: indexes(&metadata.in_sync),
        }
    }
}

/// Returns the index of the broker with this `node.id`, or `None` for -1.
fn index(node_id: i32) -> Option<usize> {
    usize::try_from(node_id).ok()?.checked_sub(1)
}
