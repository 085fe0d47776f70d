//! The links of the members of a replica set or a Kafka cluster, which a test can cut.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, anyhow};

use crate::network::node_network::{Endpoint, NodeNetwork};

/// What an isolated member still reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// The member reaches the services and clients on the host, but none of its peers.
    FromPeers,
    /// The member reaches nothing.
    FromAll,
}

/// The links of the members, or the reason why this machine cannot cut any.
#[derive(Debug)]
pub(super) struct MemberLinks {
    network: Result<Arc<NodeNetwork>, String>,
    /// The node of each member.
    nodes: Vec<usize>,
    /// Whether each member is isolated.
    isolated: Mutex<Vec<bool>>,
}

impl MemberLinks {
    /// Returns the links of the members that run in these nodes.
    pub(super) fn new(network: Result<Arc<NodeNetwork>, String>, nodes: Vec<usize>) -> Self {
        let isolated = Mutex::new(vec![false; nodes.len()]);
        Self { network, nodes, isolated }
    }

    /// Returns the network.
    ///
    /// # Errors
    /// Returns the reason why this machine has none.
    pub(super) fn network(&self) -> Result<&NodeNetwork> {
        self.network.as_deref().map_err(|reason| anyhow!("no link can be cut here: {reason}"))
    }

    /// Returns the node of a member.
    pub(super) fn node(&self, member: usize) -> Endpoint {
        Endpoint::Node(self.nodes[member])
    }

    /// Isolates a member.
    ///
    /// # Errors
    /// Returns an error if no link can be cut.
    pub(super) fn isolate(&self, member: usize, isolation: Isolation) -> Result<()> {
        let network = self.network()?;
        let mut isolated = self.isolated.lock().unwrap_or_else(PoisonError::into_inner);
        isolated[member] = true;
        for peer in self.peers(member) {
            network.cut(self.node(member), self.node(peer))?;
        }
        if isolation == Isolation::FromAll {
            network.cut(self.node(member), Endpoint::Host)?;
        }
        Ok(())
    }

    /// Ends the isolation of a member. Its links to members that are still isolated remain cut.
    ///
    /// # Errors
    /// Returns an error if no link can be cut.
    pub(super) fn heal(&self, member: usize) -> Result<()> {
        let network = self.network()?;
        let mut isolated = self.isolated.lock().unwrap_or_else(PoisonError::into_inner);
        isolated[member] = false;
        network.heal(self.node(member), Endpoint::Host)?;
        for peer in self.peers(member).filter(|peer| !isolated[*peer]) {
            network.heal(self.node(member), self.node(peer))?;
        }
        Ok(())
    }

    /// Ends the isolation of all members. Does nothing if no link can be cut.
    ///
    /// # Errors
    /// Returns an error if the kernel refuses it.
    pub(super) fn heal_all(&self) -> Result<()> {
        if self.network.is_err() {
            return Ok(());
        }
        (0..self.nodes.len()).try_for_each(|member| self.heal(member))
    }

    /// Returns the other members.
    pub(super) fn peers(&self, member: usize) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(move |peer| *peer != member)
    }
}
