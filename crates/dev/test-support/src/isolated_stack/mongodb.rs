//! A `mongod` or a replica set that only one test uses.

use std::path::PathBuf;

use anyhow::Result;
use local_stack::{
    dependencies::{
        Dependencies, ServerFiles,
        mongod::{Mongod, MongodSpec},
    },
    network::ports::Port,
    small_disk::SmallDisk,
};

use super::files::{data_directory, expect_ok, log_file};
use crate::stack::Stack;

/// A `mongod` that only one test uses.
#[derive(Debug)]
pub struct IsolatedMongod {
    mongod: Mongod,
    /// The small disk of the data, if there is one. It is declared after `mongod`, so it is dropped later.
    disk: Option<SmallDisk>,
    _port: Port,
}

impl IsolatedMongod {
    /// Starts a standalone server.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub async fn start(stack: &Stack, name: &str) -> Self {
        expect_ok(Self::try_start(stack, name, None, None, None).await)
    }

    /// Starts a standalone server whose data is on a file system of this size.
    ///
    /// # Errors
    /// Returns the reason why this machine cannot mount such a file system.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub async fn start_on_small_disk(stack: &Stack, name: &str, megabytes: u32) -> Result<Self, String> {
        let port = expect_ok(Port::free());
        let (mount_point, log) = (data_directory(stack, "disk", &port), log_file(stack, &format!("disk-{name}")));
        let disk = SmallDisk::mount(&mount_point, megabytes, &log).await.map_err(|error| format!("{error:#}"))?;
        Ok(expect_ok(Self::try_start(stack, name, None, None, Some((disk, mount_point))).await))
    }

    /// Starts a server that also accepts TLS; `pem` contains its certificate and key.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub async fn start_with_tls(stack: &Stack, name: &str, pem: PathBuf) -> Self {
        expect_ok(Self::try_start(stack, name, None, Some(pem), None).await)
    }

    /// Starts a replica set of one member.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub async fn start_replica_set(stack: &Stack, name: &str) -> Self {
        expect_ok(Self::try_start(stack, name, Some("rs0".to_owned()), None, None).await)
    }

    async fn try_start(
        stack: &Stack,
        name: &str,
        replica_set: Option<String>,
        tls: Option<PathBuf>,
        disk: Option<(SmallDisk, PathBuf)>,
    ) -> Result<Self> {
        let port = Port::free()?;
        let (disk, data) = disk.unzip();
        let files = ServerFiles {
            data: data.unwrap_or_else(|| data_directory(stack, "mongod", &port)),
            log: log_file(stack, &format!("mongod-{name}")),
        };
        let spec = MongodSpec {
            replica_set,
            tls,
            command_prefix: disk.as_ref().map(SmallDisk::command_prefix).unwrap_or_default(),
            small_journal: disk.is_some(),
            ..MongodSpec::new(Dependencies::locate(true)?.mongod, port.number(), files)
        };
        Ok(Self { mongod: Mongod::start(spec).await?, disk, _port: port })
    }

    /// Returns the connection string.
    #[must_use]
    pub fn uri(&self) -> String {
        self.mongod.uri()
    }

    /// Returns `host:port`, for a proxy in front of it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self._port.number())
    }

    /// Sends SIGKILL. The data is kept.
    pub async fn take_down(&mut self) {
        self.mongod.child().kill().await;
    }

    /// Starts the server again with its data.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub async fn bring_up(&mut self) {
        expect_ok(self.mongod.restart().await);
    }

    /// Returns whether the server still runs. It ends by itself when it cannot write its journal.
    pub fn is_running(&mut self) -> bool {
        self.mongod.child().exit_status().is_none()
    }

    /// Fills the small disk.
    ///
    /// # Panics
    /// Panics if the server is not on a small disk.
    pub fn fill_disk(&self) {
        self.small_disk().fill().expect("the small disk can be written");
    }

    /// Frees the space again.
    ///
    /// # Panics
    /// Panics if the disk was not filled.
    pub fn free_disk(&self) {
        self.small_disk().free().expect("the small disk was filled");
    }

    fn small_disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("the server was started on a small disk")
    }

    /// Sends SIGSTOP, so that connections hang.
    pub fn pause(&mut self) {
        self.mongod.child().pause();
    }

    /// Sends SIGCONT.
    pub fn resume(&mut self) {
        self.mongod.child().resume();
    }
}

/// A replica set of three members that only one test uses.
#[derive(Debug)]
pub struct IsolatedReplicaSet {
    /// The members; the first one is the primary.
    members: Vec<Mongod>,
    ports: Vec<Port>,
}

impl IsolatedReplicaSet {
    /// Starts a replica set.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub async fn start(stack: &Stack, name: &str) -> Self {
        let program = expect_ok(Dependencies::locate(true)).mongod;
        let ports: Vec<Port> = (0..3).map(|_| expect_ok(Port::free())).collect();
        let spec = |port: &Port| {
            let files = ServerFiles {
                data: data_directory(stack, "mongod", port),
                log: log_file(stack, &format!("mongod-{name}-{}", port.number())),
            };
            MongodSpec { replica_set: Some("rs0".to_owned()), ..MongodSpec::new(program.clone(), port.number(), files) }
        };
        Self { members: expect_ok(Mongod::start_replica_set(ports.iter().map(spec).collect()).await), ports }
    }

    /// Returns the connection string, which names every member.
    #[must_use]
    pub fn uri(&self) -> String {
        let hosts: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{}", port.number())).collect();
        format!("mongodb://{}/?replicaSet=rs0", hosts.join(","))
    }

    /// Sends SIGSTOP to the secondaries. For about ten seconds the primary does not step down, and no majority
    /// acknowledges a write.
    pub fn pause_secondaries(&mut self) {
        self.members[1..].iter_mut().for_each(|member| member.child().pause());
    }

    /// Sends SIGCONT.
    pub fn resume_secondaries(&mut self) {
        self.members[1..].iter_mut().for_each(|member| member.child().resume());
    }
}
