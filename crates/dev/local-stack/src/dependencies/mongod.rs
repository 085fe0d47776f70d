//! Runs `mongod`: standalone, as a replica set of one member, or as the members of a larger replica set.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, Result};
use bson::{Document, doc};

use super::{
    mongo_wire,
    server::{Server, ServerFiles, ServerSpec},
};
use crate::{
    process::child::{Child, ChildSpec},
    wait_for::try_wait_for,
};

const READY_DEADLINE: Duration = Duration::from_secs(60);
const PROBE_DEADLINE: Duration = Duration::from_secs(2);
const SMALL_JOURNAL: &str = "log=(enabled=true,remove=true,path=journal,compressor=snappy,file_max=512KB)";

/// How to run a `mongod`.
#[derive(Debug, Clone)]
pub struct MongodSpec {
    /// The path of the program.
    pub program: PathBuf,
    /// The address that it listens on: 127.0.0.1, or that of a node of a
    /// [`NodeNetwork`](crate::network::node_network::NodeNetwork).
    pub host: Ipv4Addr,
    /// The port that it listens on.
    pub port: u16,
    pub files: ServerFiles,
    /// The name of its replica set; `None` for a standalone server.
    pub replica_set: Option<String>,
    /// A PEM file with the certificate and the key. With it, the server accepts TLS connections beside plain ones.
    pub tls: Option<PathBuf>,
    /// The command and the arguments that start the program in other namespaces, if there are any.
    pub command_prefix: Vec<String>,
    /// Whether the journal is small, for data on a [`SmallDisk`](crate::small_disk::SmallDisk).
    pub small_journal: bool,
}

impl MongodSpec {
    /// Returns the spec of a standalone server on 127.0.0.1.
    #[must_use]
    pub fn new(program: PathBuf, port: u16, files: ServerFiles) -> Self {
        Self {
            program,
            host: Ipv4Addr::LOCALHOST,
            port,
            files,
            replica_set: None,
            tls: None,
            command_prefix: Vec::new(),
            small_journal: false,
        }
    }

    /// Returns the address for clients.
    #[must_use]
    pub fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.host, self.port)
    }
}

/// A running `mongod`.
pub type Mongod = Server<MongodSpec>;

impl Mongod {
    /// Starts the members of a new replica set and waits until the first one is the primary and the others are
    /// secondaries. Every spec names the replica set.
    ///
    /// # Errors
    /// Returns an error if a member does not start, or if the members do not form a replica set.
    pub async fn start_replica_set(specs: Vec<MongodSpec>) -> Result<Vec<Self>> {
        let name = specs[0].replica_set.clone().context("a member has no replica set name")?;
        let host = |(n, spec): (i32, &MongodSpec)| doc! { "_id": n, "host": spec.address().to_string() };
        let members: Vec<_> = (0..).zip(&specs).map(host).collect();
        let start = |spec: MongodSpec| Ok(Self { child: launch(&spec)?, spec });
        let mut set = specs.into_iter().map(start).collect::<Result<Vec<_>>>()?;
        for member in &mut set {
            member.wait_for_hello("mongod", |_| true).await?;
        }
        let first = set[0].spec.address();
        let initiate = doc! { "replSetInitiate": { "_id": name, "members": members } };
        mongo_wire::command(first, initiate, READY_DEADLINE).await?;
        set[0].wait_for_hello("a secondary", |hello| has_role(hello, "secondary")).await?;
        // Without this command the member would wait ten seconds before it starts an election.
        try_wait_for(READY_DEADLINE, "an election", async || {
            Ok(mongo_wire::command(first, doc! { "replSetStepUp": 1 }, READY_DEADLINE).await.ok())
        })
        .await?;
        set[0].wait_for_hello("a primary", |hello| has_role(hello, "isWritablePrimary")).await?;
        for member in &mut set[1..] {
            member.wait_for_hello("a secondary", |hello| has_role(hello, "secondary")).await?;
        }
        Ok(set)
    }

    /// Returns the connection string.
    #[must_use]
    pub fn uri(&self) -> String {
        let options = self.spec.replica_set.as_ref().map(|name| format!("/?replicaSet={name}")).unwrap_or_default();
        format!("mongodb://{}{options}", self.spec.address())
    }

    async fn wait_for_hello(&mut self, what: &str, wanted: impl Fn(&Document) -> bool) -> Result<()> {
        let Self { spec, child } = self;
        try_wait_for(READY_DEADLINE, what, async || {
            child.ensure_running()?;
            let hello = mongo_wire::command(spec.address(), doc! { "hello": 1 }, PROBE_DEADLINE).await.ok();
            Ok(hello.is_some_and(|hello| wanted(&hello)).then_some(()))
        })
        .await
    }
}

impl ServerSpec for MongodSpec {
    const STOP_DEADLINE: Duration = Duration::from_secs(10);

    async fn launch(&self) -> Result<Child> {
        launch(self)
    }

    /// Waits until it accepts writes.
    async fn wait_until_ready(&self, child: &mut Child) -> Result<()> {
        let mut initiated = self.replica_set.is_none();
        try_wait_for(READY_DEADLINE, "mongod", async || {
            child.ensure_running()?;
            let Ok(hello) = mongo_wire::command(self.address(), doc! { "hello": 1 }, PROBE_DEADLINE).await else {
                return Ok(None);
            };
            if has_role(&hello, "isWritablePrimary") {
                return Ok(Some(()));
            }
            if let (false, Some(name)) = (initiated, &self.replica_set) {
                let member = doc! { "_id": 0, "host": self.address().to_string() };
                let initiate = doc! { "replSetInitiate": { "_id": name, "members": [member] } };
                // The server refuses this if an earlier run has initiated the set; then it elects itself.
                let _ = mongo_wire::command(self.address(), initiate, READY_DEADLINE).await;
                initiated = true;
            }
            Ok(None)
        })
        .await
    }
}

pub(super) fn has_role(hello: &Document, role: &str) -> bool {
    hello.get_bool(role).is_ok_and(|has_it| has_it)
}

fn launch(spec: &MongodSpec) -> Result<Child> {
    spec.files.create_data()?;
    let replica_set = spec.replica_set.as_ref().map(|name| format!("--replSet={name}"));
    let output = spec.files.output();
    let program = spec.program.display().to_string();
    let command = [spec.command_prefix.as_slice(), &[program]].concat();
    // Journal files have 100 MB by default. The other settings are those of mongod itself.
    let journal = spec.small_journal.then_some(["--wiredTigerEngineConfigString", SMALL_JOURNAL]);
    ChildSpec::new("mongod", &command[0], output)
        .args(&command[1..])
        .args(journal.into_iter().flatten())
        .arg("--dbpath")
        .arg(&spec.files.data)
        .args(["--port", &spec.port.to_string(), "--bind_ip", &spec.host.to_string(), "--nounixsocket"])
        // The default is half of the memory, which is too much for a development database.
        .args(["--wiredTigerCacheSizeGB", "0.25", "--setParameter", "diagnosticDataCollectionEnabled=false"])
        .args(replica_set)
        .args(spec.tls.iter().flat_map(|_| ["--tlsMode", "preferTLS", "--tlsCertificateKeyFile"]))
        .args(&spec.tls)
        // Newer versions refuse TLS without an authority. It is for certificates of clients, which need none here.
        .args(spec.tls.iter().flat_map(|_| ["--tlsAllowConnectionsWithoutCertificates", "--tlsCAFile"]))
        .args(&spec.tls)
        .start()
}
