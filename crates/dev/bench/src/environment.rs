//! What every row is measured in: the parts, the worlds on them, and how long to measure.

use std::time::Duration;

use anyhow::Result;
use test_support::{ServiceSpec, Stack, World};

use crate::processes::Processes;

/// Of interleaved rounds, in a full run.
const ROUNDS: usize = 5;
const QUICK_ROUNDS: usize = 1;

pub(crate) struct Environment {
    stack: Stack,
    quick: bool,
    cores: usize,
    users: usize,
}

impl Environment {
    /// `users`: of the largest database.
    pub(crate) fn new(quick: bool, users: usize) -> Result<Self> {
        Ok(Self { stack: Stack::from_env(), quick, cores: std::thread::available_parallelism()?.get(), users })
    }

    pub(crate) fn users(&self) -> usize {
        self.scaled(self.users)
    }

    pub(crate) fn is_quick(&self) -> bool {
        self.quick
    }

    pub(crate) fn cores(&self) -> usize {
        self.cores
    }

    pub(crate) fn rounds(&self) -> usize {
        if self.quick { QUICK_ROUNDS } else { ROUNDS }
    }

    /// So long, or half a second where only the benchmark itself is tried.
    pub(crate) fn duration(&self, full: Duration) -> Duration {
        if self.quick { Duration::from_millis(500) } else { full }
    }

    /// So many, or a fiftieth where only the benchmark itself is tried.
    pub(crate) fn scaled(&self, full: usize) -> usize {
        if self.quick { full.div_ceil(50) } else { full }
    }

    /// mongod and Kafka, if it is a process (the embedded one's work is not told apart).
    pub(crate) fn dependency_processes(&self) -> Processes {
        let known = ["mongod", "kafka"].into_iter().filter_map(|name| Some((name, self.stack.pid(name)?)));
        known.fold(Processes::default(), |processes, (name, pid)| processes.with(name, pid))
    }

    /// A topic, databases and keys of its own.
    pub(crate) async fn world(&self, name: &str) -> World {
        World::new(&self.stack, name).await
    }
}

/// The user service as it is delivered, behind a proxy: people have addresses of their own.
/// Limits are counted as ever and never reached.
pub(crate) fn user_service(world: &World) -> ServiceSpec {
    world
        .user_service()
        .set("HTTP__TRUSTED_PROXIES", "127.0.0.1")
        .set("LIMITS__ENABLED", "true")
        .set("LIMITS__REQUESTS_PER_NETWORK", "1000000")
        .set("LIMITS__REGISTRATIONS_PER_NETWORK", "1000000")
        .set("LIMITS__LOGIN_FREE_FAILURES", "1000000")
        .set("LIMITS__ACCOUNT_FREE_FAILURES", "1000000")
}
