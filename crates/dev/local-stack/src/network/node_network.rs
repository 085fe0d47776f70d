//! A private network whose links a test can cut: each node has a Linux network namespace of its own, and all nodes and
//! the host share one Ethernet segment.
//!
//! Every namespace is held by a process that ends with this process, and the kernel removes a namespace with its
//! interfaces when the last process in it ends. So nothing is left behind, even if this process is killed, and there
//! is nothing to sweep at the next start.
//!
//! A link is cut with neighbour entries that lead to a hardware address that no interface has. Packets then vanish
//! without an error, as on an unplugged cable. (With a blackhole route, `connect` fails immediately with `EINVAL`.)

use std::{
    fs,
    io::{Read as _, Write as _},
    net::Ipv4Addr,
    os::unix::process::ExitStatusExt as _,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    process::child::{Child, ChildSpec, Output},
    wait_for::try_wait_for,
};

/// The first two bytes of all addresses. The range is reserved for tests of network devices (RFC 2544).
const PREFIX: [u8; 2] = [198, 19];
/// The last byte of the host's address.
const HOST: u8 = 1;
/// The number of networks that this machine can have at the same time.
const SUBNETS: u8 = 255;
/// A unicast hardware address that no interface has.
const UNUSED_HARDWARE_ADDRESS: &str = "02:00:00:00:00:00";
/// The name of the interface of a node.
const NODE_INTERFACE: &str = "eth0";
const START_DEADLINE: Duration = Duration::from_secs(10);
/// The deadline of one change of the network, in the form of `timeout` (coreutils). A change takes milliseconds.
const CHANGE_DEADLINE: &str = "5s";

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
    /// (util-linux), `timeout` (coreutils), and the capabilities `CAP_NET_ADMIN` and `CAP_SYS_ADMIN`.
    pub async fn create(nodes: &[&[u8]]) -> Result<Self> {
        let hub = start_namespace_holder().await?;
        let subnet = connect_host(&hub)?;
        let mut network = Self { subnet, nodes: Vec::new(), hub };
        let bridge = ["link add bridge type bridge", "link set bridge up", "link set host master bridge up"];
        run_ip(Some(&network.hub), &bridge.map(str::to_owned))?;
        for addresses in nodes {
            let addresses = addresses.iter().map(|last| network.address(*last)).collect();
            network.connect_node(addresses).await?;
        }
        Ok(network)
    }

    /// Returns the addresses of a node or of the host.
    #[must_use]
    pub fn addresses(&self, endpoint: Endpoint) -> Vec<Ipv4Addr> {
        match endpoint {
            Endpoint::Host => vec![self.address(HOST)],
            Endpoint::Node(node) => self.nodes[node].addresses.clone(),
        }
    }

    /// Returns the command and its arguments that start a program in the namespace of a node.
    #[must_use]
    pub fn command_prefix(&self, node: usize) -> Vec<String> {
        enter_namespace(&self.nodes[node].holder)
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

    /// Makes packets from `from` to these addresses vanish. Packets in the other direction still arrive.
    ///
    /// # Errors
    /// Returns an error if the kernel refuses the change.
    pub fn drop_packets(&self, from: Endpoint, to: &[Ipv4Addr]) -> Result<()> {
        self.change_neighbours(from, to, |address, interface| {
            format!("neigh replace {address} lladdr {UNUSED_HARDWARE_ADDRESS} nud permanent dev {interface}")
        })
    }

    /// Delivers packets from `from` to these addresses again.
    ///
    /// # Errors
    /// Returns an error if the kernel refuses the change.
    pub fn deliver_packets(&self, from: Endpoint, to: &[Ipv4Addr]) -> Result<()> {
        // Only the permanent entries are ours. It is not an error if there is none.
        self.change_neighbours(from, to, |address, interface| {
            format!("neigh flush to {address} dev {interface} nud permanent")
        })
    }

    fn change_neighbours(
        &self,
        endpoint: Endpoint,
        addresses: &[Ipv4Addr],
        line: impl Fn(&Ipv4Addr, &str) -> String,
    ) -> Result<()> {
        let (holder, interface) = match endpoint {
            Endpoint::Host => (None, host_interface(self.subnet)),
            Endpoint::Node(node) => (Some(&self.nodes[node].holder), NODE_INTERFACE.to_owned()),
        };
        let lines: Vec<String> = addresses.iter().map(|address| line(address, &interface)).collect();
        run_ip(holder, &lines)
    }

    fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(PREFIX[0], PREFIX[1], self.subnet, last)
    }

    async fn connect_node(&mut self, addresses: Vec<Ipv4Addr>) -> Result<()> {
        let holder = start_namespace_holder().await?;
        let port = format!("node{}", self.nodes.len());
        let pid = holder.pid();
        let connect = [
            format!("link add {port} type veth peer name {NODE_INTERFACE} netns {pid}"),
            format!("link set {port} master bridge up"),
        ];
        run_ip(Some(&self.hub), &connect)?;
        let mut configure = vec!["link set lo up".to_owned(), format!("link set {NODE_INTERFACE} up")];
        configure.extend(addresses.iter().map(|address| format!("addr add {address}/24 dev {NODE_INTERFACE}")));
        run_ip(Some(&holder), &configure)?;
        self.nodes.push(Node { holder, addresses });
        Ok(())
    }
}

/// Connects the host with the hub by an interface, and returns the third byte of the addresses. The name of the
/// interface contains it, so the kernel refuses it to a second network.
fn connect_host(hub: &Child) -> Result<u8> {
    // Each process starts at another number, so that processes seldom try the same one.
    let start = std::process::id() % u32::from(SUBNETS);
    let mut refusal = None;
    for step in 0..SUBNETS {
        let subnet = u8::try_from((start + u32::from(step)) % u32::from(SUBNETS))?;
        let interface = host_interface(subnet);
        if interface_exists(&interface)? {
            continue;
        }
        match run_ip(None, &[format!("link add {interface} type veth peer name host netns {}", hub.pid())]) {
            Ok(()) => {
                let address = Ipv4Addr::new(PREFIX[0], PREFIX[1], subnet, HOST);
                let configure = [format!("addr add {address}/24 dev {interface}"), format!("link set {interface} up")];
                run_ip(None, &configure)?;
                return Ok(subnet);
            }
            // Another process may have taken the name in the meantime. Anything else fails for every name.
            Err(error) if interface_exists(&interface)? => refusal = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(refusal.unwrap_or_else(|| anyhow::anyhow!("this machine already has {SUBNETS} such networks")))
}

/// Returns whether the namespace of this process has an interface of this name. (`/sys` may show another namespace.)
fn interface_exists(name: &str) -> Result<bool> {
    let table = fs::read_to_string("/proc/self/net/dev")?;
    Ok(table.lines().any(|line| line.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with(':'))))
}

fn host_interface(subnet: u8) -> String {
    format!("local-stack-{subnet}")
}

/// Starts a process that holds a new network namespace. It ends with this process.
async fn start_namespace_holder() -> Result<Child> {
    let own = fs::read_link("/proc/self/ns/net")?;
    let mut holder = ChildSpec::new("a network namespace", "unshare", Output::Pipes)
        .args(["--net", "--", "sleep", "infinity"])
        .start()?;
    // The process starts in the namespace of this one, and then leaves it.
    let namespace = format!("/proc/{}/ns/net", holder.pid());
    let left = try_wait_for(START_DEADLINE, "a network namespace", async || {
        if holder.exit_status().is_some() {
            let mut reason = String::new();
            if let Some((_, mut stderr)) = holder.take_pipes() {
                stderr.read_to_string(&mut reason)?;
            }
            bail!("a network namespace cannot be created: {}", reason.trim());
        }
        Ok(fs::read_link(&namespace).is_ok_and(|current| current != own).then_some(()))
    });
    left.await?;
    Ok(holder)
}

fn enter_namespace(holder: &Child) -> Vec<String> {
    ["nsenter", "--target", &holder.pid().to_string(), "--net", "--"].map(str::to_owned).to_vec()
}

/// Runs these lines of `ip -batch`, in the namespace of `holder` or on the host. It is killed at the deadline.
fn run_ip(holder: Option<&Child>, lines: &[String]) -> Result<()> {
    let prefix = holder.map(enter_namespace).unwrap_or_default();
    let deadline = ["timeout", "--signal=KILL", CHANGE_DEADLINE].map(str::to_owned);
    let command = [deadline.as_slice(), &prefix, &["ip", "-batch", "-"].map(str::to_owned)].concat();
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", command[0]))?;
    let mut stdin = child.stdin.take().context("standard input is a pipe")?;
    // It ends before it has read everything if a line fails.
    let _ = stdin.write_all((lines.join("\n") + "\n").as_bytes());
    drop(stdin);
    let output = child.wait_with_output()?;
    let message = String::from_utf8_lossy(&output.stderr);
    // `timeout` kills itself with the same signal.
    ensure!(output.status.signal().is_none(), "`ip` did not change the network within {CHANGE_DEADLINE}");
    ensure!(
        output.status.success(),
        "`ip` cannot change the network: {}",
        message.lines().next().unwrap_or("no reason given")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV4;

    use tokio::net::TcpStream;

    use super::*;
    use crate::wait_for::wait_for;

    /// A server that listens on every address of its node and sends one byte to each client.
    const SERVER: &str = "import socket\ns = socket.create_server(('', 7000))\nwhile True: s.accept()[0].send(b'x')";
    /// A client that exits with 0 if the server answers, 1 if it does not answer in time, and 2 if it is refused.
    const CLIENT: &str = "import socket, sys\n\
        try: socket.create_connection((sys.argv[1], 7000), 0.5).recv(1)\n\
        except TimeoutError: sys.exit(1)\n\
        except OSError: sys.exit(2)";

    async fn is_reachable_from_host(address: Ipv4Addr) -> bool {
        let connect = TcpStream::connect(SocketAddrV4::new(address, 7000));
        tokio::time::timeout(Duration::from_millis(500), connect).await.is_ok_and(|connected| connected.is_ok())
    }

    #[tokio::test]
    async fn packets_of_a_cut_link_vanish_and_other_links_go_on() {
        let network = match NodeNetwork::create(&[&[11, 31], &[12]]).await {
            Ok(network) => network,
            Err(error) => return eprintln!("SKIPPED packets_of_a_cut_link_vanish_and_other_links_go_on: {error:#}"),
        };
        let (server, client, host) = (Endpoint::Node(0), Endpoint::Node(1), Endpoint::Host);
        let run = |node: usize, arguments: &[&str]| {
            let prefix = network.command_prefix(node);
            ChildSpec::new("python", &prefix[0], Output::Inherit)
                .args(&prefix[1..])
                .arg("python3")
                .args(arguments)
                .start()
        };
        let _server = run(0, &["-c", SERVER]).unwrap();
        let [first, second] = network.addresses(server)[..] else { panic!("two addresses") };
        wait_for(START_DEADLINE, "the server", async || is_reachable_from_host(first).await.then_some(())).await;
        let from_client = async |address: Ipv4Addr| {
            let status = run(1, &["-c", CLIENT, &address.to_string()]).unwrap().wait_within(START_DEADLINE).await;
            status.and_then(|status| status.code()).unwrap()
        };
        assert_eq!((from_client(first).await, from_client(second).await), (0, 0));

        network.cut(client, server).unwrap();
        assert_eq!((from_client(first).await, from_client(second).await), (1, 1), "packets vanish without an error");
        assert!(is_reachable_from_host(first).await, "the host still reaches the server");

        network.heal(client, server).unwrap();
        network.cut(host, server).unwrap();
        assert_eq!(from_client(first).await, 0);
        assert!(!is_reachable_from_host(first).await);

        network.heal(host, server).unwrap();
        network.drop_packets(client, &[second]).unwrap();
        assert!(is_reachable_from_host(first).await);
        assert_eq!((from_client(first).await, from_client(second).await), (0, 1), "one address is cut off");
    }

    #[tokio::test]
    async fn two_networks_have_different_addresses_and_leave_nothing_behind() {
        let name = "two_networks_have_different_addresses_and_leave_nothing_behind";
        let (first, second) = match tokio::join!(NodeNetwork::create(&[&[11]]), NodeNetwork::create(&[&[11]])) {
            (Ok(first), Ok(second)) => (first, second),
            (Err(error), _) | (_, Err(error)) => return eprintln!("SKIPPED {name}: {error:#}"),
        };
        assert_ne!(first.addresses(Endpoint::Node(0)), second.addresses(Endpoint::Node(0)));
        let interfaces = [host_interface(first.subnet), host_interface(second.subnet)];
        let exists = |interface: &String| interface_exists(interface).unwrap();
        assert!(interfaces.iter().all(exists));
        drop((first, second));
        wait_for(START_DEADLINE, "the interfaces to disappear", async || {
            (!interfaces.iter().any(exists)).then_some(())
        })
        .await;
    }
}
