//! A private network whose links a test can cut: each node has a Linux network namespace of its own, and all nodes and
//! the host share one Ethernet segment.
//!
//! Every namespace is held by a process that ends with this process, and the kernel removes a namespace with its
//! interfaces when the last process in it ends. So nothing is left behind, even if this process is killed, and there
//! is nothing to sweep at the next start.
//!
//! A link is cut with neighbour entries that lead to a hardware address that no interface has. Packets then vanish
//! without an error, as on an unplugged cable. (With a blackhole route, `connect` fails immediately with `EINVAL`.)

use std::{fmt::Write as _, fs, io::Write as _, net::Ipv4Addr, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    process::child::{Child, ChildSpec, Output},
    wait_for::try_wait_for,
};

/// The first two bytes of all addresses. The range is reserved for tests of network devices (RFC 2544).
const PREFIX: [u8; 2] = [198, 19];
/// The last byte of the host's address.
const HOST: u8 = 1;
/// A unicast hardware address that no interface has.
const UNUSED_HARDWARE_ADDRESS: &str = "02:00:00:00:00:00";
/// The name of the interface of a node.
const NODE_INTERFACE: &str = "eth0";
const START_DEADLINE: Duration = Duration::from_secs(10);

/// A node of a [`NodeNetwork`], or the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// The namespace of this process, in which services and clients run.
    Host,
    /// The node with this index.
    Node(usize),
}

/// A running network. It disappears when this value is dropped and the programs in its nodes have ended.
#[derive(Debug)]
pub struct NodeNetwork {
    /// The third byte of all addresses. No other network of this machine has it.
    subnet: u8,
    nodes: Vec<Node>,
    /// The process that holds the namespace of the bridge.
    hub: Child,
}

#[derive(Debug)]
struct Node {
    /// The process that holds the namespace.
    holder: Child,
    addresses: Vec<Ipv4Addr>,
}

impl NodeNetwork {
    /// Creates a network with these nodes. Each node is given by the last bytes of its addresses, from 2 to 254; the
    /// first address is the source of its connections.
    ///
    /// # Errors
    /// Returns the reason why this machine cannot create one. It requires `ip` (iproute2), `unshare` and `nsenter`
    /// (util-linux), and the capabilities `CAP_NET_ADMIN` and `CAP_SYS_ADMIN`.
    pub async fn create(nodes: &[&[u8]]) -> Result<Self> {
        todo!()
    }

    /// Returns the addresses of a node or of the host.
    #[must_use]
    pub fn addresses(&self, endpoint: Endpoint) -> Vec<Ipv4Addr> {
        todo!()
    }

    /// Returns the command and its arguments that start a program in the namespace of a node.
    #[must_use]
    pub fn command_prefix(&self, node: usize) -> Vec<String> {
        todo!()
    }

    /// Makes packets from `from` to these addresses vanish. Packets in the other direction still arrive.
    ///
    /// # Errors
    /// Returns an error if the kernel refuses the change.
    pub fn drop_packets(&self, from: Endpoint, to: &[Ipv4Addr]) -> Result<()> {
        todo!()
    }

    /// Delivers packets from `from` to these addresses again.
    ///
    /// # Errors
    /// Returns an error if the kernel refuses the change.
    pub fn deliver_packets(&self, from: Endpoint, to: &[Ipv4Addr]) -> Result<()> {
        todo!()
    }

    /// Makes packets between two endpoints vanish in both directions. Connections stay open and hang.
    ///
    /// # Errors
    /// Returns an error if the kernel refuses the change.
    pub fn cut(&self, a: Endpoint, b: Endpoint) -> Result<()> {
        self.drop_packets(a, &self.addresses(b))?;
        self.drop_packets(b, &self.addresses(a))
    }

    /// Delivers packets between two endpoints again.
    ///
    /// # Errors
    /// Returns an error if the kernel refuses the change.
    pub fn heal(&self, a: Endpoint, b: Endpoint) -> Result<()> {
        self.deliver_packets(a, &self.addresses(b))?;
        self.deliver_packets(b, &self.addresses(a))
    }
}
