//! A `mongod` or a replica set of one test's own.

use std::path::PathBuf;

use anyhow::Result;
use local_stack::{
    dependencies::{
        Dependencies,
        mongod::{Mongod, MongodSpec},
    },
    network::ports::Port,
    small_disk::SmallDisk,
};

use super::files::{data_directory, expect_ok, log_file};
use crate::Stack;

/// A `mongod` that only one test uses.
#[derive(Debug)]
pub struct IsolatedMongod {
    mongod: Mongod,
    /// Dropped after it.
    disk: Option<SmallDisk>,
    _port: Port,
}

impl IsolatedMongod {
    /// Starts a standalone one.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub async fn start(stack: &Stack, name: &str) -> Self {
        expect_ok(Self::try_start(stack, name, None, None, None).await)
    }

    /// Starts a standalone one whose data is on a file system of so many megabytes.
    ///
    /// # Errors
    /// Why this machine has no such file system.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub async fn start_on_small_disk(stack: &Stack, name: &str, megabytes: u32) -> Result<Self, String> {
        let port = expect_ok(Port::free());
        let (mount_point, log) = (data_directory(stack, "disk", &port), log_file(stack, &format!("disk-{name}")));
        let disk = SmallDisk::mount(&mount_point, megabytes, &log).await.map_err(|error| format!("{error:#}"))?;
        Ok(expect_ok(Self::try_start(stack, name, None, None, Some((disk, mount_point))).await))
    }

    /// Starts one that takes TLS too; `pem` holds its certificate and key.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub async fn start_with_tls(stack: &Stack, name: &str, pem: PathBuf) -> Self {
        expect_ok(Self::try_start(stack, name, None, Some(pem), None).await)
    }

    /// Starts a replica set of one.
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
        let spec = MongodSpec {
            program: Dependencies::locate(true)?.mongod,
            port: port.number(),
            data: data.unwrap_or_else(|| data_directory(stack, "mongod", &port)),
            log: log_file(stack, &format!("mongod-{name}")),
            replica_set,
            tls,
            command_prefix: disk.as_ref().map(SmallDisk::command_prefix).unwrap_or_default(),
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

    /// SIGKILL; the data is kept.
    pub async fn take_down(&mut self) {
        self.mongod.child().kill().await;
    }

    /// Starts it again on its data.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub async fn bring_up(&mut self) {
        expect_ok(self.mongod.restart().await);
    }

    /// Returns whether it still runs: it ends by itself when it cannot write its journal.
    pub fn is_running(&mut self) -> bool {
        self.mongod.child().exit_status().is_none()
    }

    /// Takes all space that is left on its small disk.
    ///
    /// # Panics
    /// Panics if it has none.
    pub fn fill_disk(&self) {
        self.small_disk().fill().expect("the small disk can be written");
    }

    /// Gives that space back.
    ///
    /// # Panics
    /// Panics if it was not taken.
    pub fn free_disk(&self) {
        self.small_disk().free().expect("the small disk was filled");
    }

    fn small_disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("it was started on a small disk")
    }

    /// SIGSTOP: connections hang.
    pub fn pause(&mut self) {
        self.mongod.child().pause();
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.mongod.child().resume();
    }
}

/// A replica set of three that only one test uses.
#[derive(Debug)]
pub struct IsolatedReplicaSet {
    /// The first is the primary.
    members: Vec<Mongod>,
    _ports: Vec<Port>,
}

impl IsolatedReplicaSet {
    /// Starts one.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub async fn start(stack: &Stack, name: &str) -> Self {
        let program = expect_ok(Dependencies::locate(true)).mongod;
        let ports: Vec<Port> = (0..3).map(|_| expect_ok(Port::free())).collect();
        let spec = |port: &Port| MongodSpec {
            program: program.clone(),
            port: port.number(),
            data: data_directory(stack, "mongod", port),
            log: log_file(stack, &format!("mongod-{name}-{}", port.number())),
            replica_set: Some("rs0".to_owned()),
            tls: None,
            command_prefix: Vec::new(),
        };
        Self { members: expect_ok(Mongod::start_replica_set(ports.iter().map(spec).collect()).await), _ports: ports }
    }

    /// Returns the connection string, which names every member.
    #[must_use]
    pub fn uri(&self) -> String {
        let hosts: Vec<String> = self._ports.iter().map(|port| format!("127.0.0.1:{}", port.number())).collect();
        format!("mongodb://{}/?replicaSet=rs0", hosts.join(","))
    }

    /// SIGSTOP of all but the primary: for some ten seconds it takes itself for the primary still, and no
    /// majority acknowledges anything.
    pub fn pause_secondaries(&mut self) {
        self.members[1..].iter_mut().for_each(|member| member.child().pause());
    }

    /// SIGCONT.
    pub fn resume_secondaries(&mut self) {
        self.members[1..].iter_mut().for_each(|member| member.child().resume());
    }

    /// SIGSTOP of the primary: its connections hang until the others have elected another one.
    pub fn pause_primary(&mut self) {
        self.members[0].child().pause();
    }
}
