//! A `mongod` whose data is kept, so that a large database is loaded only once.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bson::{Document, doc};
use local_stack::{
    dependencies::{
        Dependencies, ServerFiles,
        mongod::{Mongod, MongodSpec},
    },
    network::ports::Port,
};
use mongodb::Client;

use crate::database;

const REPLICA_SET: &str = "rs0";

/// A running `mongod`. Its data stays in its directory.
pub(super) struct KeptMongod {
    mongod: Mongod,
    pid: u32,
    directory: PathBuf,
    _port: Port,
}

impl KeptMongod {
    /// Starts a standalone server, to load data: it writes no oplog.
    pub(super) async fn standalone(directory: &Path) -> Result<Self> {
        Self::start(directory, None, Port::free()?).await
    }

    async fn start(directory: &Path, replica_set: Option<&str>, port: Port) -> Result<Self> {
        let files = ServerFiles { data: directory.join("data"), log: directory.join("mongod.log") };
        let spec = MongodSpec {
            replica_set: replica_set.map(str::to_owned),
            ..MongodSpec::new(Dependencies::locate(true)?.mongod, port.number(), files)
        };
        let mut mongod = Mongod::start(spec).await?;
        Ok(Self { pid: mongod.child().pid(), mongod, directory: directory.to_owned(), _port: port })
    }

    /// Starts the standalone server again as a replica set of one member.
    pub(super) async fn into_replica_set(mut self) -> Result<Self> {
        let client = self.client().await?;
        // The port of an earlier run is in the configuration of the set, which can be changed while the set is down.
        let configuration = client.database("local").collection::<Document>("system.replset");
        let host = doc! { "members.0.host": format!("127.0.0.1:{}", self._port.number()) };
        configuration.update_one(doc! {}, doc! { "$set": host }).await.context("the address of the replica set")?;
        checkpoint(&client).await?;
        self.mongod.stop().await;
        Self::start(&self.directory, Some(REPLICA_SET), self._port).await
    }

    pub(super) fn uri(&self) -> String {
        self.mongod.uri()
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) async fn client(&self) -> Result<Client> {
        database::client(&self.uri()).await
    }

    /// Shuts the server down, so that the next start has nothing to recover.
    pub(super) async fn stop(mut self) -> Result<()> {
        checkpoint(&self.client().await?).await?;
        self.mongod.stop().await;
        Ok(())
    }
}

/// Writes everything to the data files.
pub(super) async fn checkpoint(client: &Client) -> Result<()> {
    client.database("admin").run_command(doc! { "fsync": 1 }).await?;
    Ok(())
}
