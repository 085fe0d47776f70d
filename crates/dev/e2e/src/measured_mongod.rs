//! A MongoDB server for measurements.

use std::{env, fs, path::PathBuf};

use anyhow::Result;
use local_stack::{
    dependencies::{
        Dependencies, ServerFiles,
        mongod::{Mongod, MongodSpec},
    },
    network::ports::Port,
};

/// A replica set of one, whose data is in a temporary directory.
pub struct MeasuredMongod {
    mongod: Mongod,
    directory: PathBuf,
    _port: Port,
}

impl MeasuredMongod {
    /// Starts a server. `name` is the name of the replica set.
    ///
    /// # Errors
    /// Returns an error if the server does not start.
    pub async fn start(name: &str) -> Result<Self> {
        let directory = env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let port = Port::free()?;
        let files = ServerFiles { data: directory.join("data"), log: directory.join("mongod.log") };
        let spec = MongodSpec {
            replica_set: Some(name.to_owned()),
            ..MongodSpec::new(Dependencies::locate(true)?.mongod, port.number(), files)
        };
        Ok(Self { mongod: Mongod::start(spec).await?, directory, _port: port })
    }

    /// Returns the connection string.
    #[must_use]
    pub fn uri(&self) -> String {
        self.mongod.uri()
    }

    /// Returns the process id.
    pub fn pid(&mut self) -> u32 {
        self.mongod.child().pid()
    }

    /// Returns the temporary directory.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.directory.clone()
    }

    /// Stops the server and removes its directory.
    pub async fn stop(mut self) {
        self.mongod.stop().await;
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Returns the user and system time of a process so far in seconds (`proc(5)`, fields 14 and 15, in 1/100 s), or 0 if
/// it does not run.
#[must_use]
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    sum_ticks(&stat, 2)
}

/// Returns the processor time of this process and of its finished children in seconds.
#[must_use]
pub fn own_cpu_seconds() -> f64 {
    sum_ticks(&fs::read_to_string("/proc/self/stat").unwrap_or_default(), 4)
}

fn sum_ticks(stat: &str, fields: usize) -> f64 {
    let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after.split_whitespace().skip(11).take(fields).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}
