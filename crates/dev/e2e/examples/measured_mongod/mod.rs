//! A replica set of one on temporary data.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use local_stack::{
    dependencies::{
        Dependencies,
        mongod::{Mongod, MongodSpec},
    },
    network::ports::Port,
};
use mongodb::options::{Acknowledgment, ClientOptions, WriteConcern};

pub(crate) struct MeasuredMongod {
    mongod: Mongod,
    pid: u32,
    directory: PathBuf,
    _port: Port,
}

impl MeasuredMongod {
    /// Starts the replica set of this name.
    pub(crate) async fn start(name: &str) -> Result<Self> {
        let directory = env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let port = Port::free()?;
        let spec = MongodSpec {
            program: Dependencies::locate(true)?.mongod,
            port: port.number(),
            data: directory.join("data"),
            log: directory.join("mongod.log"),
            replica_set: Some(name.to_owned()),
            tls: None,
            command_prefix: Vec::new(),
        };
        let mut mongod = Mongod::start(spec).await?;
        let pid = mongod.child().pid();
        Ok(Self { mongod, pid, directory, _port: port })
    }

    pub(crate) fn uri(&self) -> String {
        self.mongod.uri()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the directory of its data, which is deleted at the end.
    #[allow(dead_code, reason = "only one of the examples stores files there")]
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Stops it and deletes its data.
    pub(crate) async fn stop(mut self) {
        self.mongod.stop().await;
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Returns the options of a client that waits for the majority and the journal, as the services do.
pub(crate) async fn durable_writes(uri: &str) -> Result<ClientOptions> {
    let mut options = ClientOptions::parse(uri).await?;
    options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
    Ok(options)
}

/// Returns the median.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
