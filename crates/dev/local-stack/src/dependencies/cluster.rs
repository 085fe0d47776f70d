//! A cluster as in production: a replica set of three `mongod` and a Kafka cluster of three members, each process in a
//! network namespace of its own where this machine allows it.
//!
//! The namespaces require root, or the capabilities `CAP_NET_ADMIN` and `CAP_SYS_ADMIN`, and the programs `ip`,
//! `nsenter` and `unshare`. Without them the cluster runs on 127.0.0.1, [`Cluster::links_unavailable`] returns the
//! reason, and every operation that cuts a link fails with it.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    path::PathBuf,
    sync::Arc,
};

use anyhow::Result;

use super::{
    kafka::{KafkaSpec, Membership},
    kafka_cluster::KafkaCluster,
    links::MemberLinks,
    mongod::MongodSpec,
    replica_set::ReplicaSet,
    server::ServerFiles,
};
use crate::network::{
    node_network::{Endpoint, NodeNetwork},
    ports::Port,
};

/// The number of members of the replica set, and that of the Kafka cluster.
const MEMBERS: usize = 3;
const REPLICA_SET: &str = "rs0";
const KAFKA_HEAP_MEGABYTES: u32 = 256;
/// The nodes by the last bytes of their addresses: three `mongod`, and three Kafka members, each with an address for
/// clients and brokers and one for controllers.
const NODES: [&[u8]; 2 * MEMBERS] = [&[11], &[12], &[13], &[21, 31], &[22, 32], &[23, 33]];
/// The ports in a namespace.
const MONGOD_PORT: u16 = 27017;
const KAFKA_PORT: u16 = 9092;
const CONTROLLER_PORT: u16 = 9093;

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
    /// Whether each member gets a network namespace of its own where this machine allows it.
    pub links: bool,
}

/// A running cluster. Dropping it kills its processes and removes its network.
#[derive(Debug)]
pub struct Cluster {
    mongodb: ReplicaSet,
    kafka: KafkaCluster,
    links_unavailable: Option<String>,
    /// The ports of a cluster without namespaces, reserved also while a member is down.
    _ports: Vec<Port>,
}

impl Cluster {
    /// Starts a cluster with empty data, and waits until the replica set is complete and every broker serves clients.
    ///
    /// # Errors
    /// Returns an error if a member does not start.
    pub async fn start(spec: &ClusterSpec) -> Result<Self> {
        let network = if spec.links {
            NodeNetwork::create(&NODES).await.map(Arc::new).map_err(|error| format!("{error:#}"))
        } else {
            Err("the cluster was started without links".to_owned())
        };
        let mut ports = Vec::new();
        let mut places = Vec::new();
        for node in 0..NODES.len() {
            places.push(Place::of_node(network.as_deref().ok(), node, &mut ports)?);
        }
        let (mongod, kafka) = places.split_at(MEMBERS);
        let links = |first: usize| MemberLinks::new(network.clone(), (first..first + MEMBERS).collect());
        let (mongodb, kafka) = tokio::try_join!(
            ReplicaSet::start(mongod_specs(spec, mongod), links(0)),
            KafkaCluster::start(kafka_specs(spec, kafka), links(MEMBERS)),
        )?;
        Ok(Self { mongodb, kafka, links_unavailable: network.err(), _ports: ports })
    }

    /// Returns the replica set.
    #[must_use]
    pub fn mongodb(&self) -> &ReplicaSet {
        &self.mongodb
    }

    /// Returns the Kafka cluster.
    #[must_use]
    pub fn kafka(&self) -> &KafkaCluster {
        &self.kafka
    }

    /// Returns the reason why no link can be cut here, or `None` if links can be cut.
    #[must_use]
    pub fn links_unavailable(&self) -> Option<&str> {
        self.links_unavailable.as_deref()
    }
}

/// Where a member listens, and how it is started there.
struct Place {
    clients: SocketAddrV4,
    /// The address for the other controllers, if the member is one of Kafka's.
    controllers: SocketAddrV4,
    command_prefix: Vec<String>,
}

impl Place {
    /// Returns the place of a node: in its namespace, or on free ports of 127.0.0.1.
    fn of_node(network: Option<&NodeNetwork>, node: usize, ports: &mut Vec<Port>) -> Result<Self> {
        if let Some(network) = network {
            let addresses = network.addresses(Endpoint::Node(node));
            let port = if node < MEMBERS { MONGOD_PORT } else { KAFKA_PORT };
            return Ok(Self {
                clients: SocketAddrV4::new(addresses[0], port),
                controllers: SocketAddrV4::new(addresses[addresses.len() - 1], CONTROLLER_PORT),
                command_prefix: network.command_prefix(node),
            });
        }
        let mut free_address = || -> Result<SocketAddrV4> {
            let port = Port::free()?;
            let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port.number());
            ports.push(port);
            Ok(address)
        };
        Ok(Self { clients: free_address()?, controllers: free_address()?, command_prefix: Vec::new() })
    }
}

fn mongod_specs(spec: &ClusterSpec, places: &[Place]) -> Vec<MongodSpec> {
    let spec = |(member, place): (usize, &Place)| MongodSpec {
        host: *place.clients.ip(),
        replica_set: Some(REPLICA_SET.to_owned()),
        command_prefix: place.command_prefix.clone(),
        ..MongodSpec::new(spec.mongod.clone(), place.clients.port(), files(spec, "mongod", member))
    };
    places.iter().enumerate().map(spec).collect()
}

fn kafka_specs(spec: &ClusterSpec, places: &[Place]) -> Vec<KafkaSpec> {
    let controllers: Vec<SocketAddrV4> = places.iter().map(|place| place.controllers).collect();
    let spec = |(index, place): (usize, &Place)| {
        let ports = (place.clients.port(), place.controllers.port());
        KafkaSpec {
            host: *place.clients.ip(),
            controller: place.controllers,
            membership: Some(Membership { index, controllers: controllers.clone() }),
            command_prefix: place.command_prefix.clone(),
            heap_megabytes: KAFKA_HEAP_MEGABYTES,
            ..KafkaSpec::new(spec.java.clone(), spec.kafka_libs.clone(), ports, files(spec, "kafka", index))
        }
    };
    places.iter().enumerate().map(spec).collect()
}

fn files(spec: &ClusterSpec, kind: &str, member: usize) -> ServerFiles {
    let name = format!("{kind}-{member}");
    ServerFiles { data: spec.data.join(&name), log: spec.logs.join(format!("{name}.log")) }
}
