//! The databases of all sizes, on a server of their own whose data is kept.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use mongodb::Client;
use test_support::World;

use super::{kept_mongod::KeptMongod, population::Population};
use crate::{database, environment::Environment, machine};

/// The size of the smallest database, unless the largest one has fewer than a hundred times as many users.
const SMALLEST: usize = 10_000;
/// The ratio between the two largest databases.
const STEP: usize = 10;

/// The index of each of the four databases.
pub(super) const SMALL: usize = 0;
pub(super) const CONTROL: usize = 1;
pub(super) const MIDDLE: usize = 2;
pub(super) const LARGE: usize = 3;

/// The maximum share of the memory for the server's cache. The rest is for the other programs and the page cache.
const CACHE_SHARE: f64 = 0.3;
const MIN_CACHE_MIB: u32 = 1024;
/// The space that must be free for each user before the load: for rows, indexes, and the files of index builds.
const DISK_BYTES_PER_USER: usize = 2048;

/// The server with the databases, from the smallest to the largest one.
pub(super) struct Databases {
    mongod: KeptMongod,
    populations: Vec<Population>,
}

impl Databases {
    /// Starts the server and loads what an earlier run has not loaded.
    pub(super) async fn open(environment: &Environment) -> Result<Self> {
        let directory = environment.growth_directory();
        std::fs::create_dir_all(&directory)?;
        let largest = environment.growth_users();
        let small = SMALLEST.min(largest.div_ceil(STEP * STEP));
        let sizes = [("small", small), ("control", small), ("middle", largest.div_ceil(STEP)), ("large", largest)];
        let mongod = KeptMongod::standalone(&directory).await?;
        let client = mongod.client().await?;
        database::set_cache_size(&client, cache_mib()?).await?;
        let mut populations = Vec::new();
        for (name, size) in sizes {
            let world = environment.world("growth").await.on_mongodb(mongod.uri());
            let space = || ensure_space(&directory, size);
            populations.push(Population::open(&client, &world, name, size, space).await?);
        }
        let mongod = mongod.into_replica_set().await?;
        database::set_cache_size(&mongod.client().await?, cache_mib()?).await?;
        Ok(Self { mongod, populations })
    }

    pub(super) fn populations(&self) -> &[Population] {
        &self.populations
    }

    pub(super) async fn client(&self) -> Result<Client> {
        self.mongod.client().await
    }

    /// Returns the process id of the server.
    pub(super) fn pid(&self) -> u32 {
        self.mongod.pid()
    }

    /// Creates a world on this server.
    pub(super) async fn world(&self, environment: &Environment) -> World {
        environment.world("growth").await.on_mongodb(self.mongod.uri())
    }

    /// Stops the server; its data is kept.
    pub(super) async fn close(self) -> Result<()> {
        self.mongod.stop().await
    }
}

/// Returns the size of the server's cache.
pub(super) fn cache_mib() -> Result<u32> {
    Ok(MIN_CACHE_MIB.max((machine::memory_gib()? * 1024.0 * CACHE_SHARE) as u32))
}

/// Refuses a load for which the file system has too little space.
fn ensure_space(directory: &Path, users: usize) -> Result<()> {
    let output = std::process::Command::new("df").args(["--output=avail", "-B1"]).arg(directory).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let free: usize = text.lines().nth(1).context("df prints a number")?.trim().parse()?;
    let needed = users * DISK_BYTES_PER_USER;
    ensure!(
        free >= needed,
        "{} has {} MB free, and {users} users need up to {} MB",
        directory.display(),
        free / 1_000_000,
        needed / 1_000_000
    );
    Ok(())
}
